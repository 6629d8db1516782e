"""How a folder of event files tells which events it has.

Each record carries the place of its event, in a field that TensorBoard's schema doesn't have: by
the rules of protocol buffers every reader passes over it. What is in the folder and what is said
of it are so written in one step, and no crash comes in between. The first record of a file says
in the same way whose it is, since runs may share a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tensorboard.compat.proto.event_pb2 import Event as EventProto

from logflume.protocols import Position
from logflume.rebuilding.event_files import OWNER_FIELD, PLACE, PLACE_FIELD
from logflume.rebuilding.tfrecord import read_records
from logflume.run import RunInfo

from ._tb_wire import delimited
from ._tfrecord import find_files

__all__ = ["Mark", "UpTo", "find_last", "mark", "owner"]

_HEAD = delimited(PLACE_FIELD, bytes(PLACE.size))[: -PLACE.size]
_LENGTH = len(_HEAD) + PLACE.size


class Mark(NamedTuple):
    """The last event of a run in a folder.

    Attributes:
        attempt: Its attempt.
        seq: Its number in there.
        step: The step that it is shown at.
    """

    attempt: int
    seq: int
    step: int


class UpTo:
    """All events up to one: a folder gets them in order, and what it lacks is the end.

    An event that should have come before others is left out for good: its points would
    make the curves zigzag.
    """

    def __init__(self, last: Position) -> None:
        self._last = last

    def __contains__(self, position: object) -> bool:
        return isinstance(position, tuple) and position <= self._last


def mark(attempt: int, seq: int) -> bytes:
    """Return what the record of an event ends with."""
    return _HEAD + PLACE.pack(attempt, seq)


def owner(run: RunInfo) -> bytes:
    """Return what the first record of a run's file ends with."""
    return delimited(OWNER_FIELD, f"{run.run}/{run.rank}".encode())


def find_last(folder: Path, run: RunInfo) -> Mark | None:
    """Return the last event of a run and rank in a folder; None if it has none."""
    for path in reversed(find_files(folder)):
        records = read_records(path)
        if not next(records, b"").endswith(owner(run)):
            continue
        if last := _last_marked(records):
            attempt, seq = PLACE.unpack(last[-PLACE.size :])
            return Mark(attempt, seq, EventProto.FromString(last).step)
    return None


def _last_marked(records: Iterator[bytes]) -> bytes | None:
    marked = (data for data in records if data[-_LENGTH:].startswith(_HEAD))
    last = None
    for last in marked:  # noqa: B007 - the last one is what is wanted
        pass
    return last
