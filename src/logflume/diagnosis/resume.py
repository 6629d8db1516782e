"""Compares the rewards before and after a resume: the training continues where it was."""

from __future__ import annotations

from logflume.diagnosis.finding import Evidence, Finding
from logflume.diagnosis.history import History
from logflume.diagnosis.reward_collapse import RewardCollapse

__all__ = ["RESUME_BLOCKS", "find_loss"]

RESUME_BLOCKS = 2
"""Number of blocks of the reward after a resume that are compared with those before."""

_SHARE = 1 / 3


def find_loss(before: History, after: History) -> Finding | None:
    """Return the finding that a reward was lost at a resume; None if none was.

    The first two blocks after the resume are compared with three blocks before, up to the step from
    which the training was resumed. A third has to be lost, and more than noise.

    Args:
        before: The metrics of the attempt before.
        after: The metrics of the attempt after it.
    """
    resumed_at = _first_report(before, after)
    for metric in ("reward", *(f"rewards/{function}/mean" for function in after.functions)):
        old, new = before[metric], after[metric]
        if len(new.blocks) < RESUME_BLOCKS or old.bottom is None:
            continue
        level = old.mean_at(resumed_at)
        value = new.mean_at(new.blocks[RESUME_BLOCKS - 1].end, blocks=RESUME_BLOCKS)
        limit = level - _SHARE * (level - min(0.0, old.bottom.level))
        # This is looked at once, so that a higher probability of chance will do: 1/600.
        is_significant = old.is_significant(level - value, RESUME_BLOCKS, 3, conditions=2)
        if not (value < limit and is_significant):
            continue
        name = after.name(metric)
        text = f"{name} fell from {level:.3g} to {value:.3g} when the training was resumed."
        return Finding(
            RewardCollapse.signal,
            "warning",
            after.step,
            Evidence(text, name, value, level, limit),
            "The checkpoint was not loaded, or the reward functions or the data have changed.",
            "Compare what the resumed training loads with what was saved, and both configurations.",
        )
    return None


def _first_report(before: History, after: History) -> int:
    """Return the report of the attempt before with which the attempt after it begins."""
    if before.step is None or after.step is None:
        return before.reports
    first = after.step - after.stride * (after.reports - 1)
    repeated = max(0, before.step - first) / before.stride
    return round(before.reports - repeated)
