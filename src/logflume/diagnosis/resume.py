"""Compares the rewards before and after a resume, which should not differ."""

from __future__ import annotations

from logflume.diagnosis.collapse_signals import RewardCollapse
from logflume.diagnosis.finding import Evidence, Finding
from logflume.diagnosis.history import History
from logflume.diagnosis.rescaling_signals import RewardRescaled

__all__ = ["RESUME_BLOCKS", "find_change"]

RESUME_BLOCKS = 2
"""Number of blocks of the reward after a resume that are compared with those before."""

_SHARE = 1 / 3
_FACTOR = 1.5
_MIN_BLOCKS = 5


def find_change(before: History, after: History) -> Finding | None:
    """Return the finding that a reward has changed at a resume; None if it hasn't.

    Args:
        before: The metrics of the attempt before.
        after: The metrics of the attempt after it.
    """
    return _find_rescaling(before, after) or _find_loss(before, after)


def _find_rescaling(before: History, after: History) -> Finding | None:
    old, new = before["reward"], after["reward"]
    if len(old.blocks) < _MIN_BLOCKS or len(new.blocks) < RESUME_BLOCKS:
        return None
    highest = max(abs(block.level) for block in old.blocks)
    value = new.mean_at(new.blocks[RESUME_BLOCKS - 1].end, blocks=RESUME_BLOCKS)
    growth = abs(value) - highest
    if abs(value) < _FACTOR * highest or not old.is_significant(growth, 2, 1, conditions=2):
        return None
    spreads = [block.mean for block in before["reward_std"].blocks]
    new_spreads = [block.mean for block in after["reward_std"].blocks[:RESUME_BLOCKS]]
    if spreads and new_spreads and min(new_spreads) < _FACTOR * max(spreads):
        return None
    name, level = after.name("reward"), old.mean_at(_first_report(before, after))
    text = f"{name} went from {level:.3g} to {value:.3g} when the training was resumed"
    return Finding(
        RewardRescaled.signal,
        RewardRescaled.severity,
        after.step,
        Evidence(
            f"{text}, and is {_FACTOR} times as large as ever before.",
            name,
            value,
            level,
            _FACTOR * highest,
        ),
        RewardRescaled.cause,
        RewardRescaled.try_next,
    )


def _find_loss(before: History, after: History) -> Finding | None:
    """Return the finding that a reward was lost at a resume; None if none was.

    The first two blocks after the resume are compared with the last three blocks up to the step
    from which training was resumed. The loss has to be at least a third, or all that the first
    attempt had gained since its first two blocks; and more than noise.

    Args:
        before: The metrics of the attempt before.
        after: The metrics of the resumed attempt.
    """
    resumed_at = _first_report(before, after)
    for metric in ("reward", *(f"rewards/{function}/mean" for function in after.functions)):
        old, new = before[metric], after[metric]
        if len(new.blocks) < RESUME_BLOCKS or old.bottom is None:
            continue
        level = old.mean_at(resumed_at)
        value = new.mean_at(new.blocks[RESUME_BLOCKS - 1].end, blocks=RESUME_BLOCKS)
        first = old.mean_at(old.blocks[:RESUME_BLOCKS][-1].end, blocks=RESUME_BLOCKS)
        limit = max(level - _SHARE * (level - min(0.0, old.bottom.level)), first)
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
