"""Policies that select which completions of a batch of rollouts are logged, and their tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any, TypeAlias

from logflume.guard import call_guarded

__all__ = [
    "ByRatio",
    "Policy",
    "TokenPolicy",
    "best_and_worst",
    "every",
    "first_groups",
    "keep_all",
    "ratio_above",
    "valid_rows",
]

Policy: TypeAlias = Callable[[int, list[float | None], int | None], list[int]]
"""Takes the number of the batch, the total reward of each completion and the size of a group;
returns the rows to log, in order."""


@dataclass(frozen=True, slots=True)
class ByRatio:
    """A policy for tokens that ranks completions by their largest ratio instead of their reward.

    The ratio of a token is its probability by the trainer divided by that by the sampler, before
    the trainer clips it. If the trainer has one ratio for a whole completion, that one counts.

    Attributes:
        policy: Takes the largest ratio of each completion, None if unknown, in place of its reward.

    Example:
        >>> most_extreme = ByRatio(best_and_worst(2))
    """

    policy: Policy


TokenPolicy: TypeAlias = Policy | ByRatio
"""Selects, among the completions that are logged, those whose tokens are recorded. For a completion
that is not logged, a policy gets None in place of the reward or ratio."""


def keep_all(_generation: int, totals: list[float | None], _group_size: int | None) -> list[int]:
    """Log every completion."""
    return list(range(len(totals)))


def every(batches: int) -> Policy:
    """Log all completions of every n-th batch, where n is `batches`, starting with the first."""
    return partial(_every, batches)


def first_groups(count: int) -> Policy:
    """Log the first `count` groups of each batch; if groups are unknown, `count` completions."""
    return partial(_first_groups, count)


def best_and_worst(count: int) -> Policy:
    """Log the `count` completions with the highest and the `count` with the lowest total reward."""
    return partial(_best_and_worst, count)


def ratio_above(limit: float) -> ByRatio:
    """Record the tokens of completions whose largest ratio of trainer and sampler passes `limit`.

    In such a completion, a token is more than `limit` times as probable for the trainer as it was
    for the sampler: a sign of stale weights, or of a sampler that computes something else.
    """
    return ByRatio(partial(_above, limit))


def valid_rows(selected: Iterable[Any], count: int) -> tuple[list[int], bool]:
    """Return the rows that a policy selected, each once, and whether the batch has all of them.

    Args:
        selected: What the policy returned.
        count: The number of completions in the batch.
    """
    indices = [call_guarded(index, row) for row in selected]
    valid = [row for row in indices if isinstance(row, int) and 0 <= row < count]
    return list(dict.fromkeys(valid)), len(valid) == len(indices)


# Partials of module-level functions, not closures, so that policies can be pickled.


def _every(
    batches: int, generation: int, totals: list[float | None], group_size: int | None
) -> list[int]:
    return [] if generation % batches else keep_all(generation, totals, group_size)


def _first_groups(
    count: int, _generation: int, totals: list[float | None], group_size: int | None
) -> list[int]:
    return list(range(min(len(totals), count * (group_size or 1))))


def _best_and_worst(
    count: int, _generation: int, totals: list[float | None], _group_size: int | None
) -> list[int]:
    scored = [(total, row) for row, total in enumerate(totals) if total is not None]
    ranked = [row for _, row in sorted(scored)]
    return sorted({*ranked[:count], *ranked[-count:]} if count else set())


def _above(
    limit: float, _generation: int, scores: list[float | None], _group_size: int | None
) -> list[int]:
    return [row for row, score in enumerate(scores) if score is not None and score > limit]
