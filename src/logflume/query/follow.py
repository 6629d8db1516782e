"""The events of a run as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from logflume.formats.journal import find_position, open_files, parse, read_lines_from
from logflume.protocols import Position
from logflume.runs.files import Writer, find_writers

__all__ = ["follow"]

_INTERVAL_S = 0.2
_LAST_LINE_BYTES = 1 << 16

Choose = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def follow(
    folder: Path, choose: Choose, last: int, forever: bool
) -> Iterator[list[dict[str, Any]]]:
    """Yield the last events of a run, and then those that come, in batches.

    It goes on through rotations, further attempts, ranks and forked children, until no process
    writes the run any more.

    Args:
        folder: The run's folder.
        choose: Returns those events of a batch that are wanted.
        last: How many to begin with.
        forever: Whether to go on at all.

    Raises:
        RunError: A journal is damaged.
        QueryError: From `choose`.
    """
    followers = [_Follower(writer) for writer in find_writers(folder)]
    events = [event for one in followers for event in one.read_last(choose, last)]
    yield sorted(events, key=_time)[-last:] if last else []
    is_live = forever
    while is_live:
        # Asked first: what is written before the end is still read.
        is_live = any(writer.is_live for writer in find_writers(folder))
        known = {one.suffix for one in followers}
        followers += [
            _Follower(writer) for writer in find_writers(folder) if writer.suffix not in known
        ]
        events = [event for one in followers for event in one.read_new()]
        if events:
            yield choose(sorted(events, key=_time))
        elif is_live:
            time.sleep(_INTERVAL_S)


class _Follower:
    """Reads the journal of one writer on and on.

    Args:
        writer: The writer.

    Attributes:
        suffix: That of the writer's files.
    """

    def __init__(self, writer: Writer) -> None:
        self.suffix = writer.suffix
        self._writer = writer
        self._next: Position = (0, 0)
        self._seen: tuple[int, int] | None = None

    def read_last(self, choose: Choose, count: int) -> list[dict[str, Any]]:
        """Return the last events that are wanted; what comes after them is new from now on."""
        with ExitStack() as stack:
            files = open_files(self._writer.journals, stack)
            newest = _find_last(files)
        if newest is None:
            return []
        attempt, seq = newest
        back = max(1_000, count)
        while True:
            first = (attempt, seq - back) if seq > back else (0, 0)
            self._next = first
            wanted = choose(list(self._read(until=newest)))
            if len(wanted) >= count or first == (0, 0):
                return wanted[-count:] if count else []
            back *= 8

    def read_new(self) -> Iterator[dict[str, Any]]:
        """Yield what has come since the last time."""
        path = self._writer.folder / f"events{self.suffix}.jsonl"
        try:
            found = path.stat()
        except FileNotFoundError:
            return  # between two files
        if (found.st_ino, found.st_size) != self._seen:
            self._seen = (found.st_ino, found.st_size)
            yield from self._read()

    def _read(self, until: Position | None = None) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            files = open_files(self._writer.journals, stack)
            for (attempt, seq), line, path in read_lines_from(files, self._next):
                if until is not None and (attempt, seq) > until:
                    return
                self._next = (attempt, seq + 1)
                yield parse(line, str(path))


def _find_last(files: list[tuple[Path, Any]]) -> Position | None:
    """Return the place of the last whole line."""
    for path, lines in reversed(files):
        position = None
        size_bytes = _LAST_LINE_BYTES
        while position is None:
            at_start = path.suffix == ".zst" or lines.seek(0, 2) <= size_bytes
            lines.seek(0 if at_start else lines.tell() - size_bytes)
            whole = (line for line in lines if line.endswith(b"\n"))
            position = max(filter(None, map(find_position, whole)), default=None)
            if at_start:
                break
            size_bytes *= 8
        if position is not None:
            return position
    return None


def _time(event: dict[str, Any]) -> str:
    return str(event["timestamp"])
