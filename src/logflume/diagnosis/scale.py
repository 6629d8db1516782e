"""Where a reward lies between its minimum and its maximum, which no trainer reports."""

from __future__ import annotations

import math
from collections.abc import Sequence

from logflume.diagnosis.history import History
from logflume.diagnosis.series import Series
from logflume.events.metric_names import names_environment

__all__ = [
    "CORRECTNESS",
    "find_correctness",
    "find_solved",
    "is_environment",
    "position",
    "reward_scale",
    "solved",
]

CORRECTNESS = ("correct", "accura", "exact", "solve", "success", "gold", "truth", "answer", "math")
"""Texts that the names of reward functions for correctness contain."""


def find_correctness(history: History, texts: str | Sequence[str]) -> str | None:
    """Return the metric that says how many answers are correct; None if there is none.

    Args:
        history: The metrics.
        texts: One or more texts, one of which the name of the reward function contains, in upper or
            lower case.
    """
    parts = [text.lower() for text in ([texts] if isinstance(texts, str) else texts)]
    for function in history.functions:
        name, metric = function.lower(), f"rewards/{function}/mean"
        if any(part in name for part in parts) and not is_environment(history, metric):
            return metric
    return "accuracy" if "accuracy" in history else None


def is_environment(history: History, metric: str) -> bool:
    """Whether a reward is that of an environment, not of a function; they have like names.

    The total is a mean of the environments' rewards, so it is never higher than all of them. It is
    a sum of the functions' rewards.
    """
    if not names_environment(history.name(metric)):
        return False
    rewards = (history[f"rewards/{name}/mean"] for name in history.functions)
    return history["reward"].highest <= max(series.highest for series in rewards)


def find_solved(history: History) -> str:
    """Return the metric of how much is solved.

    It is that of correctness, reported or measured in the completions; without one, the reward.
    """
    measured = "rollouts/correct" if "rollouts/correct" in history else "reward"
    return find_correctness(history, CORRECTNESS) or measured


def solved(history: History) -> Series:
    """Return the values of the metric of how much is solved."""
    return history[find_solved(history)]


def position(history: History, metric: str, blocks: int = 5) -> float | None:
    """Estimate where the mean of a reward lies between 0 and the maximum, 0 to 1.

    A function with two values, 0 and the maximum M, has the variance m (M - m) around its mean m,
    so M = m + s² / m. Without a standard deviation, a mean that never left [0, 1] is taken for a
    share. None if neither applies. The mean is that of the last blocks.
    """
    series = history[metric]
    if not series.blocks:
        return None
    blocks = min(blocks, len(series.blocks))
    mean = series.mean(blocks)
    spread = history[metric.removesuffix("mean") + "std"]
    if metric.startswith("rewards/") and len(spread.blocks) >= blocks and mean > 0:
        maximum = mean + spread.mean(blocks) ** 2 / mean
        return mean / max(maximum, series.highest)
    if series.lowest >= 0 and series.highest <= 1:
        return mean
    if series.lowest >= 0 and not math.isinf(series.highest) and mean == 0:
        return 0.0
    return None


def reward_scale(history: History, level: float | None = None) -> float:
    """Return the scale that a gain in reward is compared with; NaN without rewards.

    It is the largest of a level of the reward, half the range of its levels so far, and the spread
    within groups, because the level alone may be zero or negative.

    Args:
        history: The metrics.
        level: The level, such as that of an evaluation; None: the reward's current one.
    """
    rewards, spreads = history["reward"], history["reward_std"]
    if rewards.top is None or rewards.bottom is None:
        return math.nan
    spread = spreads.blocks[-1].mean if spreads.blocks else 0.0
    level = rewards.blocks[-1].level if level is None else level
    return max(abs(level), (rewards.top.level - rewards.bottom.level) / 2, spread)
