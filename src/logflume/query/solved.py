"""Which completions solve their prompt: by the measured correctness, or else by their reward."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import optional
from logflume.query.groupings import Array, numbers_of

__all__ = ["SOLVED_COLUMNS", "UnmeasuredError", "find_solved", "solved_or_null"]

_CORRECT, _TOTAL = "quality/correct", "rewards/total"
_HAS_ANSWER = "quality/has_answer"

SOLVED_COLUMNS = [optional(_CORRECT), optional(_HAS_ANSWER), optional(_TOTAL)]
"""The columns that decide which completions solve their prompt."""


class UnmeasuredError(QueryError):
    """The correctness of completions was not measured, and no threshold decides instead.

    Args:
        question: The name of the query.
        unmeasured: The number of completions for which it was not measured.
        count: The number of all completions.
        rewards: The lowest and the highest total reward; None: there are no rewards.
    """

    def __init__(
        self, question: str, unmeasured: int, count: int, rewards: tuple[float, float] | None
    ) -> None:
        self.unmeasured = unmeasured
        self.count = count
        self.rewards = rewards
        advice = (
            "there are no rewards either; log `rewards`, or a `true_answer` for the processor "
            "measure_generations"
            if rewards is None
            else "give `solved` (`--solved`), the rewards/total from which a completion solves its "
            f"prompt; here they range from {rewards[0]:g} to {rewards[1]:g}"
        )
        super().__init__(
            f"{question}: correctness (quality/correct) was not measured for {unmeasured:,} of "
            f"{count:,} completions; {advice}"
        )


def find_solved(completions: pa.Table, threshold: float | None, question: str) -> Array:
    """Return whether each completion solves its prompt. Shape [completions], bool.

    That is `quality/correct` where it was measured, else `rewards/total >= threshold`, which is
    False without a reward.

    Args:
        completions: The completions, with `SOLVED_COLUMNS`.
        threshold: The lowest total reward of a completion that solves its prompt.
        question: The name of the query, for error messages.

    Raises:
        UnmeasuredError: The correctness of a completion was not measured, and there is no
            threshold.
    """
    solved = solved_or_null(completions, threshold)
    if solved.null_count:
        raise _unmeasured(question, solved.null_count, completions)
    return np.asarray(solved.to_numpy(zero_copy_only=False), bool)


def solved_or_null(completions: pa.Table, threshold: float | None) -> Any:
    """Return the same as an Arrow array, null where correctness was not measured.

    Without a threshold, a completion that has no answer counts as not solved, provided that the
    correctness of others is known. Warns if the threshold has no effect.
    """
    correct: Any = pa.nulls(len(completions), pa.bool_())
    if _CORRECT in completions.column_names:
        column: Any = completions[_CORRECT]
        correct = column.combine_chunks() if pa.types.is_boolean(column.type) else correct
    if not correct.null_count:
        if threshold is not None and len(correct):
            what = "quality/correct decides, because it is known of all completions"
            warnings.warn(f"`solved` (`--solved`) has no effect: {what}", stacklevel=3)
        return correct
    if threshold is None:
        is_measured = correct.null_count < len(correct) and _HAS_ANSWER in completions.column_names
        has_answer: Any = completions[_HAS_ANSWER] if is_measured else None
        if has_answer is None or not pa.types.is_boolean(has_answer.type):
            return correct
        # False where there is no answer, else null.
        wrong: Any = pc.if_else(has_answer, None, False)
        wrong = pa.concat_arrays(wrong.chunks) if isinstance(wrong, pa.ChunkedArray) else wrong
        return pc.coalesce(correct, wrong)
    return pc.coalesce(correct, pa.array(numbers_of(completions, _TOTAL) >= threshold))


def _unmeasured(question: str, unmeasured: int, completions: pa.Table) -> UnmeasuredError:
    totals = numbers_of(completions, _TOTAL)
    known = totals[~np.isnan(totals)]
    rewards = (float(known.min()), float(known.max())) if len(known) else None
    return UnmeasuredError(question, unmeasured, len(totals), rewards)
