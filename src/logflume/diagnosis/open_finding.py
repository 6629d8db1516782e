"""A problem that was found, until it is over."""

from __future__ import annotations

import math

from logflume.diagnosis.detector import Detector
from logflume.diagnosis.finding import Evidence, Finding
from logflume.diagnosis.history import History

__all__ = ["OpenFinding"]


class OpenFinding:
    """A problem that was found and isn't over yet.

    Args:
        finding: The finding.
        detector: The detector that found it.
        history: The metrics at the time of the finding.

    Attributes:
        last_report: Number of the last report at which it was seen.
    """

    def __init__(self, finding: Finding, detector: Detector, history: History) -> None:
        self._finding = finding
        self._detector = detector
        self.see(history)

    def see(self, history: History) -> None:
        """Note that the problem persists."""
        self.last_report, self._last_step = history.reports, history.step

    def persists(self, history: History) -> bool:
        """Whether the problem persists, although there may be no new evidence."""
        return self._detector.persists(history, self._finding.evidence)

    def over(self, history: History) -> Finding:
        """Return the finding that says that the problem is over."""
        found = self._finding
        evidence = found.evidence
        known = self._level(history)
        level = None if math.isnan(known) else known
        last = self._last_step if self._last_step is not None else 0
        what = f"{found.signal} (step {found.step}) is over: it was last seen at step {last}"
        now = "" if level is None else f", and its value is {level:.3g} now"
        return Finding(
            found.signal,
            "info",
            history.step,
            Evidence(f"{what}{now}.", evidence.metric, level, evidence.value),
            cause="",
            try_next="",
            over_since=last,
        )

    def _level(self, history: History) -> float:
        detector = self._detector
        if not detector.returns:
            return math.nan
        return detector.current_value(history, self._finding.evidence)
