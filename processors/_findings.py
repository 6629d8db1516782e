"""What a signal finds, and when it is worth an alert."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ._trend import Row

__all__ = ["Finding", "MetricSignal", "Signal", "Watched"]

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


class MetricSignal(Signal[Row], Protocol):
    """A signal of metrics, which says which of them it reads.

    What is no number in an event, or one whose square is not finite, is NaN in the row.
    """

    def select(self, metrics: Collection[str], /) -> Sequence[str]:
        """Return what its row has, of an event with these metrics; nothing if one is missing.

        Such an event is no report for it.
        """


class Watched(Generic[Report]):
    """A signal with its name, which is news when it comes up, and again after it was gone.

    Args:
        name: Its name.
        signal: The signal.
        quiet_reports: For how many reports in a row it has to be gone before it is news again.
    """

    def __init__(self, name: str, signal: Signal[Report], quiet_reports: int) -> None:
        self.name = name
        self.signal = signal
        self._quiet_reports = quiet_reports
        self._present_at = -quiet_reports - 1

    def is_news(self, number: int) -> bool:
        """Note that it is present in the report of this number, and return whether to tell."""
        is_news = number - self._present_at > self._quiet_reports
        self._present_at = number
        return is_news
