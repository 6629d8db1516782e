"""Follows the journals of a live run, for `logflume tail -f`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from logflume.exceptions import RunError
from logflume.formats.journal import open_journal, parse_line, read_lines_from
from logflume.formats.journal_lines import find_position
from logflume.guard import unended
from logflume.protocols import Position
from logflume.runs.files import Writer, find_writers
from logflume.runs.safe_files import bounded_lines

__all__ = ["follow"]

_INTERVAL_S = 0.2
_TAIL_BYTES = 1 << 14
_LOOKBACK_EVENTS = 32
"""Events of each rank that are searched for the last ones that match; more if too few match."""

Select = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def follow(
    folder: Path, select: Select, last: int, forever: bool, report: Callable[[str], None]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the last events of a run and then, if requested, new events, in batches.

    Following continues across rotations, further attempts, ranks and forked children, until no
    process writes the run.

    Args:
        folder: The run's folder.
        select: Returns the events of a batch that match.
        last: How many of the last events to yield first.
        forever: Whether to wait for new events.
        report: Called with a message for each line that is omitted because it is not an event.

    Raises:
        RunError: A journal can't be read.
        QueryError: From `select`.
    """
    followers = [_Follower(writer, report) for writer in find_writers(folder)]
    events = [event for one in followers for event in one.read_last(select, last)]
    yield sorted(events, key=_time)[-last:] if last else []
    is_live = forever
    while is_live:
        # Checked before reading, so that the events written just before the end aren't missed.
        writers = find_writers(folder)
        is_live = any(writer.is_live for writer in writers)
        known = {one.suffix for one in followers}
        followers += [_Follower(writer, report) for writer in writers if writer.suffix not in known]
        events = [event for one in followers for event in one.read_new()]
        if events:
            yield select(sorted(events, key=_time))
        elif is_live:
            time.sleep(_INTERVAL_S)


class _Follower:
    """Reads the journal of one writer incrementally.

    Args:
        writer: The writer.
        report: As for `follow`.

    Attributes:
        suffix: The suffix of the writer's files.
    """

    def __init__(self, writer: Writer, report: Callable[[str], None]) -> None:
        self.suffix = writer.suffix
        self._writer = writer
        self._report = report
        self._next: Position = (0, 0)
        self._last_stat: tuple[int, int] | None = None

    def read_last(self, select: Select, count: int) -> list[dict[str, Any]]:
        """Return the last matching events; `read_new` continues after them."""
        with ExitStack() as stack:
            files = open_journal(self._writer, stack)
            newest = _find_last(files)
        if newest is None:
            return []
        attempt, seq = newest
        lookback = max(_LOOKBACK_EVENTS, count)
        while True:
            first = (attempt, seq - lookback) if seq > lookback else (0, 0)
            self._next = first
            matches = select(list(self._read(until=newest)))
            if len(matches) >= count or first == (0, 0):
                return matches[-count:] if count else []
            lookback *= 8

    def read_new(self) -> Iterator[dict[str, Any]]:
        """Yield the events that were written since the previous read."""
        path = self._writer.folder / self._writer.journal_name
        try:
            stat = path.stat()
        except FileNotFoundError:
            return  # the file is just being rotated
        if (stat.st_ino, stat.st_size) != self._last_stat:
            self._last_stat = (stat.st_ino, stat.st_size)
            yield from self._read()

    def _read(self, until: Position | None = None) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            files = open_journal(self._writer, stack)
            for position, line in read_lines_from(files, self._next):
                if until is not None and position > until:
                    return
                self._next = (position[0], position[1] + 1)
                try:
                    event = parse_line(line)
                except RunError as error:
                    self._report(f"{unended(error)}. This line is omitted")
                else:
                    yield event


def _find_last(files: list[tuple[Path, Any]]) -> Position | None:
    """Return the position of the last complete line."""
    for path, lines in reversed(files):
        position = None
        size_bytes = _TAIL_BYTES
        while position is None:
            at_start = path.suffix == ".zst" or lines.seek(0, 2) <= size_bytes
            lines.seek(0 if at_start else lines.tell() - size_bytes)
            complete = (line for line in bounded_lines(lines, path) if line.endswith(b"\n"))
            position = max(filter(None, map(find_position, complete)), default=None)
            if at_start:
                break
            size_bytes *= 8
        if position is not None:
            return position
    return None


def _time(event: dict[str, Any]) -> str:
    return str(event["timestamp"])
