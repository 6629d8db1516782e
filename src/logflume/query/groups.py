"""Queries groups of completions: their rewards, and whether they give a learning signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import optional, with_columns
from logflume.query.event_ids import read_questions
from logflume.query.group_means import by_columns, label_visits
from logflume.query.groupings import Array, group_rows, integers_or_null, numbers_of
from logflume.query.solved import SOLVED_COLUMNS, solved_or_null
from logflume.query.visits import Mode, Visits, read_visits

__all__ = ["read_groups", "read_signal"]

_TOTAL, _TOKENS, _TRUNCATED = "rewards/total", "completion_tokens", "truncated"


def read_groups(
    read: Callable[..., pa.Table], *, mode: Mode | None, solved: float | None
) -> pa.Table:
    """Return one row for each group.

    Args:
        read: Returns the events of a type, with some of their columns.
        mode: Only groups of training or of evaluation; None: both.
        solved: The total reward from which a completion solves its prompt, where correctness was
            not measured.
    """
    columns = [*SOLVED_COLUMNS, optional(_TOKENS), optional(_TRUNCATED)]
    visits = read_visits(read, mode=mode, columns=columns)
    first = visits.grouping.take_first(visits.completions)
    return with_columns(
        visits.keys,
        {
            "question": read_questions(read, first),
            **_counts(visits, solved),
            **_rewards(visits),
            "tokens": integers_or_null(_tokens(visits)),
            "partial": pa.array(visits.is_partial),
        },
    )


def read_signal(read: Callable[..., pa.Table], by: Sequence[str], *, mode: Mode | None) -> pa.Table:
    """Return the share of groups that give a learning signal, and what they cost.

    Groups that were not recorded completely are counted as `skipped` only.

    Args:
        read: Returns the events of a type, with some of their columns.
        by: `step`, columns of the dataset, or other fields that a group's completions share.
        mode: Only groups of training or of evaluation; None: both, apart.
    """
    columns = [optional(_TOTAL), optional(_TOKENS), *by_columns(by)]
    visits = read_visits(read, mode=mode, columns=columns)
    labels = label_visits(read, visits, by, "signal")
    rows = group_rows(labels, labels.column_names)
    counted, tokens = ~visits.is_partial, _tokens(visits)
    has_signal = counted & _has_signal(visits)
    groups, with_signal = rows.sum(counted), rows.sum(has_signal)
    # One unknown number makes a sum unknown.
    spent = rows.sum(np.where(counted, tokens, 0))
    useful = rows.sum(np.where(has_signal, tokens, 0))
    with np.errstate(invalid="ignore", divide="ignore"):  # without any group or signal
        share, ratio = with_signal / groups, spent / useful
    columns_of_result: dict[str, Any] = {
        "groups": pa.array(groups.astype(int)),
        "with_signal": pa.array(with_signal.astype(int)),
        "share": pa.array(share, from_pandas=True),
        "tokens": integers_or_null(spent),
        "tokens_with_signal": integers_or_null(useful),
        "tokens_per_token_with_signal": pa.array(ratio, mask=~np.isfinite(ratio)),
        "skipped": pa.array((rows.sum() - groups).astype(int)),
    }
    return with_columns(rows.take_first(labels), columns_of_result)


def _counts(visits: Visits, solved: float | None) -> dict[str, Any]:
    """Return the numbers of completions of each group; of solved ones, null if unknown."""
    sizes = visits.sums().astype(int)
    is_solved = solved_or_null(visits.completions, solved)
    known = is_solved.is_valid().to_numpy(zero_copy_only=False)
    correct = visits.sums(is_solved.fill_null(False).to_numpy(zero_copy_only=False))
    is_unknown = visits.sums(~known) > 0
    counts: dict[str, Any] = {
        "completions": pa.array(sizes),
        "solved": pa.array(correct.astype(int), mask=is_unknown),
        "solve_rate": pa.array(correct / sizes, mask=is_unknown),
    }
    rows = visits.completions
    if _TRUNCATED in rows.column_names and pa.types.is_boolean(rows.schema.field(_TRUNCATED).type):
        truncated: Any = rows[_TRUNCATED]
        truncated = pc.fill_null(truncated, False)
        counts["truncated"] = pa.array(visits.sums(truncated.to_numpy()).astype(int))
    return counts


def _rewards(visits: Visits) -> dict[str, Any]:
    """Return statistics of the total rewards of each group, and whether these differ."""
    rewards = numbers_of(visits.completions, _TOTAL)
    has_reward = ~np.isnan(rewards)
    of_visit, known = visits.grouping.of_row[has_reward], rewards[has_reward]
    count = np.bincount(of_visit, minlength=len(visits))
    with np.errstate(invalid="ignore", divide="ignore"):  # groups without rewards, or infinite ones
        mean = np.bincount(of_visit, known, minlength=len(visits)) / count
        squares = np.bincount(of_visit, (known - mean[of_visit]) ** 2, minlength=len(visits))
        std = np.sqrt(squares / (count - 1))
    return {
        "reward_mean": pa.array(mean, from_pandas=True),
        "reward_std": pa.array(std, mask=(count < 2) | np.isnan(std)),
        "reward_min": pa.array(visits.grouping.min(rewards), from_pandas=True),
        "reward_max": pa.array(visits.grouping.max(rewards), from_pandas=True),
        "signal": pa.array(_has_signal(visits)),
    }


def _has_signal(visits: Visits) -> Array:
    """Return whether the rewards of each group differ: equal ones have no advantage."""
    rewards = numbers_of(visits.completions, _TOTAL)
    return np.asarray(visits.grouping.min(rewards) < visits.grouping.max(rewards))


def _tokens(visits: Visits) -> Array:
    """Return the number of tokens of each group; NaN if that of a completion is unknown."""
    return np.asarray(visits.sums(numbers_of(visits.completions, _TOKENS)))
