"""Reading the journal from any event on, for whoever has to catch up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from logflume.protocols import Event, Position
from logflume.reading.journal import open_files, restore
from logflume.run import RunInfo

__all__ = ["read_events"]

_PIECE_BYTES = 1 << 18
"""Lines that are looked at for one piece."""

# The reserved names come first, and a quote inside of a text has a backslash: the first match
# is the event's own.
_KEY = re.compile(rb'"run":"([^"]*)","attempt":(\d+),"rank":(\d+),"seq":(\d+)[,}]')


def read_events(
    find: Callable[[], list[Path]], run: RunInfo, first: Position
) -> Iterator[list[Event]]:
    """Yield the events of a run and rank from one on, in pieces of about 256 KB of the files.

    A line that can't be read is left out.

    Args:
        find: Returns the files, in order.
        run: Whose events.
        first: The attempt and `seq` to begin with.
    """
    with ExitStack() as stack:
        files = [lines for _, lines in open_files(find, stack)]
        starts = [_find_start(lines, run) for lines in files]
        for index, lines in enumerate(files):
            following = [start for start in starts[index + 1 :] if start is not None][:1]
            if following and following[0] <= first:
                continue  # all of it is older
            while piece := lines.readlines(_PIECE_BYTES):
                yield [event for line in piece if (event := _read(line, run, first)) is not None]


def _find_start(lines: Any, run: RunInfo) -> Position | None:
    """Return the place of the file's first event of this run, if it is near the start."""
    return _find_place(lines.peek(), run)


def _read(line: bytes, run: RunInfo, first: Position) -> Event | None:
    place = _find_place(line, run)
    if place is None or place < first or not line.endswith(b"\n"):
        return None
    try:
        return restore(orjson.loads(line))
    except orjson.JSONDecodeError:
        return None


def _find_place(line: bytes, run: RunInfo) -> Position | None:
    match = _KEY.search(line)
    if match is None or match[1].decode() != run.run or int(match[3]) != run.rank:
        return None
    return int(match[2]), int(match[4])
