"""Check of one sink file against the journal: the same for every sink that can be scanned."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from logflume.maintenance.differences import Comparison
from logflume.maintenance.sink_files import SinkFile
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event, FaultKind, ScannedEvent
from logflume.values.event_checksum import event_checksum

__all__ = ["OutputCheck"]

_TRIES = 20
"""Scans of a live output whose files are replaced meanwhile."""


class OutputCheck:
    """Compares what a sink finds in its output with the journal. The constructor scans it.

    The sinks that scan and expect have the options of the sink file's, but a path in a temporary
    folder: nothing of the run is changed.

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
        """Whether all of the sink file could be read, and is of events of the run."""
        kinds = {kind for _, _, kind in self._faults}
        return kinds <= {FaultKind.LAYOUT} and not self._comparison.surplus

    def compare(self, events: Sequence[Event]) -> None:
        """Look up events of one attempt."""
        accepted = [event for event in events if self._sink_file.accepts(event)]
        expected: dict[Any, ScannedEvent] = {}
        unplaced = 0
        if accepted:
            for item in _expect(self._sink(accepted[0]["attempt"]), accepted):
                if item.position is None:
                    unplaced += 1
                else:
                    expected[item.position] = item
        self._comparison.expect_unplaced(unplaced)
        for event in events:
            self._comparison.match(event, expected.get((event["attempt"], event["seq"])))

    def issues(self) -> list[Issue]:
        """Return what is wrong with the sink file. Called once, after all events."""
        self._stack.close()
        label_of = self._comparison.label_of
        faults = [
            Issue(label_of(location), what, count, FIX)
            for (location, what, _), count in sorted(self._faults.items())
        ]
        return faults + self._comparison.issues()

    def _scan(self) -> tuple[Comparison, Counter[tuple[str, str, FaultKind]]]:
        """Scan as each attempt would that has other options: the output may be of any of them."""
        for attempt in self._sink_file.attempts_by_options:
            comparison, faults = self._scan_patiently(self._sink(attempt))
            if not faults:
                break
        return comparison, faults

    def _scan_patiently(self, sink: Any) -> tuple[Comparison, Counter[tuple[str, str, FaultKind]]]:
        for _ in range(_TRIES):
            try:
                return self._scan_as(sink)
            except FileNotFoundError:
                continue
            except OSError as error:  # no regular file, or one that no sink has written
                fault = ("", f"can't be read: {error.strerror or error}", FaultKind.DAMAGE)
                return Comparison(self._sink_file.label, self._is_live), Counter([fault])
        return self._scan_as(sink)

    def _scan_as(self, sink: Any) -> tuple[Comparison, Counter[tuple[str, str, FaultKind]]]:
        comparison = Comparison(self._sink_file.label, self._is_live)
        faults: Counter[tuple[str, str, FaultKind]] = Counter()
        for item in sink.scan(self._sink_file.path, self._sink_file.run):
            if isinstance(item, ScannedEvent):
                comparison.add(item)
            elif not self._is_normal(item.kind):
                faults[(item.location, item.what, item.kind)] += item.affected
        return comparison, faults

    def _is_normal(self, kind: FaultKind) -> bool:
        is_foreign = kind is FaultKind.FOREIGN and self._sink_file.is_shared
        return is_foreign or (kind is FaultKind.TORN and self._is_live)

    def _sink(self, attempt: int) -> Any:
        """Return the sink of an attempt, with a path of its own."""
        if attempt not in self._sinks:
            path = self._folder / str(attempt) / self._sink_file.path.name
            sink = self._sinks[attempt] = self._sink_file.open(path, attempt)
            self._stack.callback(sink.close)
        return self._sinks[attempt]


def _expect(sink: Any, events: Sequence[Event]) -> Iterable[ScannedEvent]:
    if hasattr(sink, "expect"):
        return sink.expect(events)  # type: ignore[no-any-return]
    positions = [(event["attempt"], event["seq"]) for event in events]
    return map(ScannedEvent, positions, map(event_checksum, events))
