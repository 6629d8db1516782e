"""A sink as another package may have one: a line of numbers and a text for each event."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from logflume.protocols import Event, FaultKind, Position, ScanFault, ScannedEvent
from logflume.runs.info import RunInfo

__all__ = ["LinesSink"]


class LinesSink:
    """Writes `attempt seq type` lines."""

    detachable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, events: Sequence[Event]) -> None:
        self._file.write(b"".join(map(_line, events)))

    def flush(self) -> None:
        """Do nothing: every batch is in the file."""

    def close(self) -> None:
        self._file.close()

    def held(self, run: RunInfo) -> set[Position | None]:
        found = self.scan(self._path, run)
        return {one.position for one in found if isinstance(one, ScannedEvent)}

    def scan(self, path: Path, run: RunInfo) -> Iterator[ScannedEvent | ScanFault]:
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            attempt, seq, text = line.split(b" ", 2)
            if line.endswith(b"\n"):
                yield ScannedEvent((int(attempt), int(seq)), zlib.crc32(text))
            else:
                yield ScanFault("torn last line", FaultKind.TORN)

    def expect(self, events: Sequence[Event]) -> Iterator[ScannedEvent]:
        for event in events:
            text = _line(event).split(b" ", 2)[2]
            yield ScannedEvent((event["attempt"], event["seq"]), zlib.crc32(text))


def _line(event: Event) -> bytes:
    return f"{event['attempt']} {event['seq']} {event['event']}\n".encode()
