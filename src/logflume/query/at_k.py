"""Queries pass@k, best@k and majority@k, by step and by columns of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query import estimates
from logflume.query.columns import check, optional
from logflume.query.group_means import by_columns, label_visits, mean_over_groups
from logflume.query.groupings import Array, group_rows, numbers_of, row_number_in_group, texts_of
from logflume.query.solved import SOLVED_COLUMNS, find_solved
from logflume.query.visits import Mode, Read, Visits, read_visits

__all__ = ["AtK", "read_best_at", "read_majority_at", "read_pass_at"]

Estimate: TypeAlias = Callable[[int], Array]
"""Returns the estimate for each visit and a k. NaN where it has fewer than k completions."""

_ANSWER = "answer"


class AtK(NamedTuple):
    """What to estimate.

    Attributes:
        name: The name of the query, for error messages.
        sizes: The values of k.
        by: `step`, and columns of the dataset or other fields that a group's completions share.
        mode: Only training or evaluation; None: both, separately.
        seed: Seed of the confidence intervals.
    """

    name: str
    sizes: Sequence[int]
    by: Sequence[str]
    mode: Mode | None
    seed: int


def read_pass_at(read: Read, at_k: AtK, solved: float | None) -> pa.Table:
    """Return the probability that at least one of k completions solves the prompt."""
    visits = _read(read, at_k, SOLVED_COLUMNS)
    correct = visits.sums(find_solved(visits.completions, solved, at_k.name)).astype(int)
    sizes = visits.sums()

    def estimate(k: int) -> Array:
        values = np.full(len(visits), np.nan)
        for size in np.unique(sizes[sizes >= k]).tolist():
            of_size = sizes == size
            values[of_size] = estimates.pass_at(size, k)[correct[of_size]]
        return values

    return _tabulate(read, visits, sizes, at_k, estimate, is_share=True)


def read_best_at(read: Read, at_k: AtK, reward: str) -> pa.Table:
    """Return the expected highest reward of k completions. Those without the reward don't count."""
    visits = _read(read, at_k, [optional(reward)])
    check([reward], visits.completions.column_names, "model_output")
    rewards = numbers_of(visits.completions, reward)
    has_reward = ~np.isnan(rewards)
    of_visit, rewards = visits.grouping.of_row[has_reward], rewards[has_reward]
    order = np.lexsort((rewards, of_visit))
    of_visit, rewards = of_visit[order], rewards[order]
    sizes = np.bincount(of_visit, minlength=len(visits))
    rank = row_number_in_group(of_visit)

    def estimate(k: int) -> Array:
        # The k - 1 lowest are never the best; a weight of 0 would make NaN of an infinite reward.
        used = (sizes[of_visit] >= k) & (rank >= k - 1)
        weights = np.empty(len(rewards))
        for size in np.unique(sizes[sizes >= k]).tolist():
            of_size = used & (sizes[of_visit] == size)
            weights[of_size] = estimates.best_weights(size, k)[rank[of_size]]
        weighted = rewards[used] * weights[used]
        values = np.bincount(of_visit[used], weighted, minlength=len(visits))
        return np.where(sizes >= k, values, np.nan)

    return _tabulate(read, visits, sizes, at_k, estimate, is_share=False)


def read_majority_at(read: Read, at_k: AtK, solved: float | None) -> pa.Table:
    """Return the probability that the most frequent answer of k completions solves the prompt."""
    visits = _read(read, at_k, [*SOLVED_COLUMNS, optional(_ANSWER)])
    is_solved = find_solved(visits.completions, solved, at_k.name)
    votes, blank = _count_votes(visits, is_solved, at_k.name)
    sizes = visits.sums()

    def estimate(k: int) -> Array:
        values = np.full(len(visits), np.nan)
        for visit in np.flatnonzero((sizes >= k) & ~visits.is_partial).tolist():
            values[visit] = estimates.majority_at(votes[visit], blank[visit], k)
        return values

    return _tabulate(read, visits, sizes, at_k, estimate, is_share=True)


def _read(read: Read, at_k: AtK, columns: Sequence[str]) -> Visits:
    """Return the visits, with the columns that an estimate and its labels need."""
    for k in at_k.sizes:
        if not isinstance(k, int) or k < 1:
            raise QueryError(f"{at_k.name}: k={k!r}: expected a number of completions, 1 or more")
    return read_visits(read, mode=at_k.mode, columns=[*columns, *by_columns(at_k.by)])


def _count_votes(
    visits: Visits, is_solved: Array, question: str
) -> tuple[list[estimates.Votes], list[int]]:
    """Return the votes of each visit, and its number of completions without an answer.

    Raises:
        QueryError: No completion has an answer.
    """
    rows = visits.completions
    texts: Any = pa.nulls(len(rows), pa.string())
    if _ANSWER in rows.column_names:
        texts = pc.utf8_trim_whitespace(texts_of(rows, _ANSWER))
    has_answer = pc.fill_null(pc.not_equal(texts, pa.scalar("")), False).to_numpy(
        zero_copy_only=False
    )
    if len(rows) and not has_answer.any():
        raise QueryError(f"{question}: no completion has an answer (the field `answer`)")
    table = pa.table([pa.array(visits.grouping.of_row), texts], ["visit", "answer"])
    table = table.filter(pa.array(has_answer))
    answers = group_rows(table, ["visit", "answer"])
    counts = answers.sum()
    shares = answers.sum(is_solved[has_answer]) / counts
    of_visit = table["visit"].to_numpy()[answers.first].tolist()
    votes: list[list[tuple[int, float]]] = [[] for _ in range(len(visits))]
    for visit, count, share in zip(of_visit, counts.tolist(), shares.tolist(), strict=True):
        votes[visit].append((count, share))
    blank = visits.sums(~has_answer).astype(int).tolist()
    return [tuple(sorted(of_one)) for of_one in votes], blank


def _tabulate(
    read: Read, visits: Visits, sizes: Array, at_k: AtK, estimate: Estimate, *, is_share: bool
) -> pa.Table:
    """Return the means of an estimate, for each k.

    Args:
        read: Returns the events of a type, with some of their columns.
        visits: The visits.
        sizes: The number of completions of each visit that count.
        at_k: What is estimated.
        estimate: Returns the estimates.
        is_share: Whether they are between 0 and 1.

    Raises:
        QueryError: No group has as many as k completions.
    """
    largest = int(sizes[~visits.is_partial].max(initial=0))
    if len(visits) and max(at_k.sizes) > largest:
        raise QueryError(f"{at_k.name}: k={max(at_k.sizes)}{_explain(visits, largest)}")
    labels = label_visits(read, visits, at_k.by, at_k.name)
    tables = []
    for k in at_k.sizes:
        # What a policy chose to keep of a group doesn't allow an unbiased estimate.
        values = np.where(visits.is_partial, np.nan, estimate(k))
        table = mean_over_groups(visits, labels, values, seed=at_k.seed, is_share=is_share)
        column = pa.array(np.full(len(table), k))
        tables.append(table.add_column(len(labels.column_names), "k", column))
    return pa.concat_tables(tables)


def _explain(visits: Visits, largest: int) -> str:
    if visits.is_partial.all():
        return (
            ", but no group was recorded with all its completions, which an unbiased estimate "
            'needs: record them with `attach(trainer, rollouts="all")`'
        )
    return f", but the largest group has {largest} completions that count"
