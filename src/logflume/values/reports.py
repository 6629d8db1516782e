"""Reports of logged values that aren't kept in full, each kind once per run."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["VALUE_REPORTS", "ValueReports"]


class ValueReports:
    """Reports on any thread of the training process; without an open run, nothing is reported."""

    def __init__(self) -> None:
        self._report: Callable[[str], None] | None = None
        self._reported: set[str] = set()

    def start(self, report: Callable[[str], None]) -> None:
        """Begin a run.

        Args:
            report: Called with the reason.
        """
        self._report, self._reported = report, set()

    def once(self, kind: str, reason: str) -> None:
        """Report the first problem of a kind.

        Args:
            kind: Identifies problems that are reported as one.
            reason: What is not kept, why, and what to do.
        """
        if self._report is not None and kind not in self._reported:
            self._reported.add(kind)
            self._report(reason)


VALUE_REPORTS = ValueReports()
"""The reports of this process."""
