"""The interface of the signals of `watch_training`, and the rule for when one raises an alert."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ._trend import Row

__all__ = ["Finding", "MetricSignal", "Signal", "TrackedSignal"]

Report = TypeVar("Report", contravariant=True)


@dataclass(frozen=True)
class Finding:
    """A detected problem.

    Attributes:
        message: One sentence that describes it.
        fields: The fields of the `alert` event that support it.
    """

    message: str
    fields: Mapping[str, float | str] = field(default_factory=dict)


class Signal(Protocol[Report]):
    """Detects one problem, report by report."""

    def __call__(self, report: Report, /) -> Finding | None:
        """Evaluate the next report; return the problem while it persists, else None."""


class MetricSignal(Signal[Row], Protocol):
    """A signal over metrics, which also selects the metrics that it reads.

    A value that is not a number, or whose square is not finite, is NaN in the row.
    """

    def select(self, metrics: Collection[str], /) -> Sequence[str]:
        """Return the metrics of the signal's row, given those of an event.

        Empty if one of them is missing; such an event is not a report for this signal.
        """


class TrackedSignal(Generic[Report]):
    """A named signal that raises an alert when it appears, and again when it reappears.

    Args:
        name: Name of the signal.
        signal: The signal.
        quiet_reports: Number of consecutive reports for which the signal has to be absent before
            it raises an alert again.
    """

    def __init__(self, name: str, signal: Signal[Report], quiet_reports: int) -> None:
        self.name = name
        self.signal = signal
        self._quiet_reports = quiet_reports
        self._last_present = -quiet_reports - 1

    def is_new(self, number: int) -> bool:
        """Record the presence of the signal in report `number`; return whether it is a new one."""
        is_new = number - self._last_present > self._quiet_reports
        self._last_present = number
        return is_new
