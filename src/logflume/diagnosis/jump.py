"""Changes from one report to the next that no policy can learn."""

from __future__ import annotations

from logflume.diagnosis.history import History

__all__ = ["reports_since_fall", "reports_since_rise"]

_REPORTS = 50
_MIN_REPORTS = 10


def reports_since_rise(history: History, metric: str, factor: float) -> int:
    """Return how many reports ago a metric has jumped up; 0 if it hasn't in the last 50 reports.

    Each of the ten or more reports since then is `factor` times as far from zero as each of the ten
    or more before. A report has one step: what a policy learns takes several steps, but the reward
    functions, the problems or the sampling can change from one to the next.

    Args:
        history: The metrics.
        metric: The metric.
        factor: The factor, above 1.
    """
    return _jump(_recent(history, metric), factor)


def reports_since_fall(history: History, metric: str, factor: float) -> int:
    """Return how many reports ago a metric has dropped: `reports_since_rise`, the other way round.

    Args:
        history: The metrics.
        metric: The metric.
        factor: How many times as high each of the reports before was, above 1.
    """
    values = _recent(history, metric)
    later = _jump(values[::-1], factor)
    return len(values) - later if later else 0


def _recent(history: History, metric: str) -> list[float]:
    return history[metric].recent(_REPORTS) if history.stride == 1 else []


def _jump(values: list[float], factor: float) -> int:
    """Return the number of values after a jump up; 0 if there is none."""
    if len(values) < 2 * _MIN_REPORTS or values[-1] < factor * abs(values[0]):
        return 0
    for first in range(_MIN_REPORTS, len(values) - _MIN_REPORTS + 1):
        lowest = min(values[first:])
        if lowest > 0 and lowest >= factor * max(map(abs, values[:first])):
            return len(values) - first
    return 0
