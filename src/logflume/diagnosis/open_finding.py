"""A problem that was found, until it is over."""

from __future__ import annotations

from logflume.diagnosis.finding import Evidence, Finding
from logflume.diagnosis.history import History

__all__ = ["OpenFinding"]

_LEVEL_REPORTS = 10


class OpenFinding:
    """A problem that was found and isn't over yet.

    Args:
        finding: The finding.
        history: The metrics, as they are when it is found.
        returns: Whether the metric comes back to the value before, when the problem is over.

    Attributes:
        last_report: Number of the last report at which it was seen.
    """

    def __init__(self, finding: Finding, history: History, returns: bool) -> None:
        self._finding = finding
        self._metric = history.metric_of(finding.evidence.metric) if returns else None
        self.see(history)

    def see(self, history: History) -> None:
        """Note that the problem persists."""
        self.last_report, self._last_step = history.reports, history.step

    def is_present(self, history: History) -> bool:
        """Whether the metric is closer to its value when it was found than to the one before.

        For evidence without these values, it is unknown, and False.
        """
        value, before = self._finding.evidence.value, self._finding.evidence.before
        if self._metric is None or value is None or before is None:
            return False
        level = history[self._metric].level(_LEVEL_REPORTS)
        return abs(level - value) < abs(level - before)  # False for NaN

    def over(self, history: History) -> Finding:
        """Return the finding that says that the problem is over."""
        found = self._finding
        evidence = found.evidence
        level = history[self._metric].level(_LEVEL_REPORTS) if self._metric else None
        last = self._last_step if self._last_step is not None else 0
        what = f"{found.signal} (step {found.step}) is over: it was last seen at step {last}"
        now = "" if level is None else f", and {evidence.metric} is {level:.3g} now"
        return Finding(
            found.signal,
            "info",
            history.step,
            Evidence(f"{what}{now}.", evidence.metric, level, evidence.value),
            cause="",
            try_next="",
            over_since=last,
        )
