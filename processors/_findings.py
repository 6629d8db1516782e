"""What a signal finds, and when it is worth an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

__all__ = ["Finding", "Latch", "Metrics", "Signal", "Watched"]

Metrics = Mapping[str, float]
"""The numbers of one event by name: what most signals take as a report."""

Report = TypeVar("Report", contravariant=True)


@dataclass(frozen=True)
class Finding:
    """What is wrong: one sentence, and the fields of the `alert` event that it rests on."""

    message: str
    fields: Mapping[str, float | str] = field(default_factory=dict)


class Signal(Protocol[Report]):
    """Watches for one thing, report by report."""

    def __call__(self, report: Report, /) -> Finding | None:
        """Take the next report; return what is wrong now, if it is."""


class Latch:
    """Lets a condition through when it comes up, and again only after it was gone for a while.

    Args:
        quiet_reports: For how many reports in a row it has to be gone.
    """

    def __init__(self, quiet_reports: int) -> None:
        self._needed = quiet_reports
        self._quiet = quiet_reports

    def passes(self, is_present: bool) -> bool:
        """Take the state of the condition at one report; return whether to tell."""
        if not is_present:
            self._quiet += 1
            return False
        is_new = self._quiet >= self._needed
        self._quiet = 0
        return is_new


class Watched(Generic[Report]):
    """A signal with its name, behind a latch."""

    def __init__(self, name: str, signal: Signal[Report], quiet_reports: int) -> None:
        self.name = name
        self._signal = signal
        self._latch = Latch(quiet_reports)

    def __call__(self, report: Report) -> Finding | None:
        """Return what the signal finds, if it is news."""
        finding = self._signal(report)
        return finding if self._latch.passes(finding is not None) else None
