"""Check of one sink file against the journal, the same for every sink that can be scanned."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from logflume.exceptions import RunError
from logflume.guard import Failure, call_guarded, describe
from logflume.maintenance.differences import Comparison
from logflume.maintenance.sink_files import SinkFile, call_sink
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event, FaultKind, ScannedEvent
from logflume.values.event_checksum import event_checksum

__all__ = ["OutputCheck"]

_TRIES = 20
"""Maximum number of scans of a live output whose files are replaced meanwhile."""

Faults: TypeAlias = Counter[tuple[str, str, FaultKind]]
"""Number of affected events, by location, fault and its kind."""


class OutputCheck:
    """Compares the events that a sink finds in its output with the journal.

    The constructor scans the output. The sinks that scan it have the options of the run's sink, but
    a path in a temporary folder, so nothing in the run is changed.

    Args:
        sink_file: The sink file.
        is_live: Whether a process is writing the run.
    """

    def __init__(self, sink_file: SinkFile, is_live: bool) -> None:
        self._sink_file = sink_file
        self._is_live = is_live
        self._stack = ExitStack()
        folder = tempfile.TemporaryDirectory(prefix="logflume-")
        self._folder = Path(self._stack.enter_context(folder))
        self._sinks: dict[int, Any] = {}
        self._comparison, self._faults = self._scan()

    @property
    def unknown(self) -> int:
        """Number of events in the sink file that are not in the journal."""
        return self._comparison.unknown

    @property
    def is_readable(self) -> bool:
        """Whether all of the sink file could be read, and has only events of the run."""
        kinds = {kind for _, _, kind in self._faults}
        return kinds <= {FaultKind.LAYOUT} and not self._comparison.surplus

    def compare(self, events: Sequence[Event]) -> None:
        """Look up events of one attempt."""
        accepted = [event for event in events if self._sink_file.accepts(event)]
        expected: dict[Any, ScannedEvent] = {}
        unplaced = 0
        if accepted:
            for item in self._expect(accepted):
                if item.position is None:
                    unplaced += 1
                else:
                    expected[item.position] = item
        self._comparison.expect_unplaced(unplaced)
        for event in events:
            self._comparison.match(event, expected.get((event["attempt"], event["seq"])))

    def issues(self) -> list[Issue]:
        """Return what is wrong with the sink file. Call it once, after all events."""
        self._stack.close()
        label_of = self._comparison.label_of
        faults = [
            Issue(label_of(location), what, count, FIX)
            for (location, what, _), count in sorted(self._faults.items())
        ]
        return faults + self._comparison.issues()

    def _scan(self) -> tuple[Comparison, Faults]:
        """Scan with the options of each attempt: the output may be from any of them."""
        for attempt in self._sink_file.attempts_by_options:
            comparison, faults = self._scan_patiently(self._sink(attempt))
            if not faults:
                break
        return comparison, faults

    def _scan_patiently(self, sink: Any) -> tuple[Comparison, Faults]:
        for _ in range(_TRIES):
            comparison = Comparison(self._sink_file.label, self._is_live)
            faults: Faults = Counter()
            scanned = call_guarded(self._scan_once, sink, comparison, faults)
            if not (isinstance(scanned, Failure) and isinstance(scanned.error, FileNotFoundError)):
                break
        if isinstance(scanned, Failure):
            faults[("", f"can't be read: {describe(scanned.error)}", FaultKind.DAMAGE)] += 1
        return comparison, faults

    def _scan_once(self, sink: Any, comparison: Comparison, faults: Faults) -> None:
        for item in sink.scan(self._sink_file.path, self._sink_file.run):
            if isinstance(item, ScannedEvent):
                comparison.add(item)
            elif not self._is_normal(item.kind):
                faults[(item.location, item.what, item.kind)] += item.affected

    def _expect(self, events: Sequence[Event]) -> list[ScannedEvent]:
        """Return events of one attempt as the sink file should have them.

        Raises:
            RunError: The sink failed.
        """
        sink = self._sink(events[0]["attempt"])
        if not hasattr(sink, "expect"):
            positions = [(event["attempt"], event["seq"]) for event in events]
            return list(map(ScannedEvent, positions, map(event_checksum, events)))
        try:
            return call_sink(self._sink_file.label, lambda: list(sink.expect(events)))
        except RunError:
            self._stack.close()
            raise

    def _is_normal(self, kind: FaultKind) -> bool:
        is_foreign = kind is FaultKind.FOREIGN and self._sink_file.is_shared
        return is_foreign or (kind is FaultKind.TORN and self._is_live)

    def _sink(self, attempt: int) -> Any:
        """Return the sink of an attempt, with its own path."""
        if attempt not in self._sinks:
            path = self._folder / str(attempt) / self._sink_file.path.name
            path.parent.mkdir(exist_ok=True)
            sink = self._sinks[attempt] = self._sink_file.open(path, attempt)
            self._stack.callback(call_guarded, sink.close)
        return self._sinks[attempt]
