"""TensorBoard's event files, as far as whether they are whole, and which events they have."""

from __future__ import annotations

import math
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata
from tensorboard.compat.proto.event_pb2 import Event as EventProto

from logflume.protocols import Position
from logflume.runs.info import RunInfo

__all__ = [
    "FRAME_BYTES",
    "OWNER_FIELD",
    "PLACE",
    "PLACE_FIELD",
    "EventFile",
    "Mark",
    "UpTo",
    "delimited",
    "find_event_files",
    "find_files",
    "find_last",
    "float32",
    "frame",
    "mark",
    "owner",
    "read_records",
    "scalar_head",
    "summary_event",
]


FRAME_BYTES = 16
"""What a record takes beside its data."""

_RECORD_LENGTH = struct.Struct("<Q")

_CHECKSUM = struct.Struct("<I")


def frame(data: bytes) -> bytes:
    """Return `data` as one record."""
    return b"".join((_head(len(data)), data, _checksum(data)))


def read_records(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Yield the data of the records of a file, up to one that is torn or damaged.

    Args:
        path: The file.
        offset: Where a record begins, in bytes.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while head := file.read(_RECORD_LENGTH.size + _CHECKSUM.size):
            length = head[: _RECORD_LENGTH.size]
            # Unchecked, what a crash has left in place of a length could ask for any memory.
            if head[_RECORD_LENGTH.size :] != _checksum(length):
                return
            (size,) = _RECORD_LENGTH.unpack(length)
            data, checksum = file.read(size), file.read(_CHECKSUM.size)
            if checksum != _checksum(data):
                return
            yield data


@lru_cache(1024)
def _head(size: int) -> bytes:
    length = _RECORD_LENGTH.pack(size)
    return length + _checksum(length)


def _checksum(data: bytes) -> bytes:
    crc = _crc32c()(data)
    # Masked, as the format asks, because a checksum of data that holds checksums is weak.
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return _CHECKSUM.pack(masked)


@cache
def _crc32c() -> Callable[[bytes], int]:
    # Imported here: the command line needs it for one command only.
    import google_crc32c

    return google_crc32c.value  # type: ignore[no-any-return]


_WALL_TIME = struct.Struct("<Bd")

_FLOAT = struct.Struct("<f")


def scalar_head(tag: str) -> bytes:
    """Return the `value` of a `Summary` with this tag, up to the four bytes of its number."""
    inner = delimited(1, tag.encode()) + bytes([2 << 3 | 5])
    return bytes([1 << 3 | 2]) + _varint(len(inner) + _FLOAT.size) + inner


def float32(value: float) -> bytes:
    """Return the four bytes of a number; what float32 can't hold is infinite, as in protobuf."""
    try:
        return _FLOAT.pack(value)
    except OverflowError:
        return _FLOAT.pack(math.inf if value > 0 else -math.inf)


def summary_event(wall_time_s: float, step: int, summary: bytes, more: bytes = b"") -> bytes:
    """Return an `Event` with a serialised `Summary`.

    Args:
        wall_time_s: Seconds since 1970, UTC.
        step: Training step.
        summary: Values of a `Summary`, joined.
        more: More fields of the `Event`, serialised.
    """
    wall_time = _WALL_TIME.pack(1 << 3 | 1, wall_time_s)
    size = _varint(len(summary))
    return b"".join((wall_time, b"\x10", _varint(step), b"\x2a", size, summary, more))


def delimited(number: int, data: bytes) -> bytes:
    """Return a field of bytes, with its number."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


@lru_cache(1024)
def _varint(number: int) -> bytes:
    number &= 0xFFFF_FFFF_FFFF_FFFF  # a negative int64 is written as its two's complement
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


OWNER_FIELD, PLACE_FIELD = 1000, 1001
"""Fields that TensorBoard's schema doesn't have: of the first record, and of those of events."""

PLACE = struct.Struct("<QQ")
"""The attempt and `seq` of a record's event."""

_NAME = re.compile(r"events\.out\.tfevents\.\d+")


def find_event_files(folder: Path) -> list[EventFile]:
    """Return the event files of a folder, in TensorBoard's order."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [EventFile(path) for path in paths if _NAME.match(path.name)]


class EventFile:
    """An event file.

    Args:
        path: The file.

    Attributes:
        path: As given.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_bytes = 0

    def is_of(self, run: RunInfo) -> bool:
        """Whether a run and rank has written it. One without any readable record counts, too."""
        first = next(read_records(self.path), None)
        return first is None or _field(first, OWNER_FIELD) == f"{run.run}/{run.rank}".encode()

    def new_places(self) -> Iterator[tuple[int, int]]:
        """Yield the attempt and `seq` of the records not read yet, where they have them."""
        for record in read_records(self.path, self._read_bytes):
            self._read_bytes += len(record) + FRAME_BYTES
            place = _field(record, PLACE_FIELD)
            if place is not None and len(place) == PLACE.size:
                yield PLACE.unpack(place)

    def unread_bytes(self) -> int:
        """Return how much follows after the last whole record."""
        return self.path.stat().st_size - self._read_bytes


def _field(record: bytes, number: int) -> bytes | None:
    from google.protobuf.message import DecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        fields: Any = UnknownFieldSet(Event.FromString(record))
    except DecodeError:
        return None
    return next((bytes(one.data) for one in fields if one.field_number == number), None)


_HEAD = delimited(PLACE_FIELD, bytes(PLACE.size))[: -PLACE.size]

_MARK_BYTES = len(_HEAD) + PLACE.size


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
    marked = (data for data in records if data[-_MARK_BYTES:].startswith(_HEAD))
    last = None
    for last in marked:  # noqa: B007 - the last one is what is wanted
        pass
    return last


_NAME_TIME = re.compile(r"events\.out\.tfevents\.(\d+)")


def find_files(folder: Path) -> list[Path]:
    """Return the event files of a folder, in the order in which TensorBoard reads them."""
    paths = folder.iterdir() if folder.is_dir() else []
    return sorted(path for path in paths if _NAME_TIME.match(path.name))


class EventFileWriter:
    """A new event file in a folder; begins with the record that names the format's version.

    Every append goes straight to the operating system, so a killed process loses nothing
    that was appended.

    Args:
        folder: Where the file is made. TensorBoard shows all event files of a folder as one run.
        owner: What its first record ends with.
    """

    def __init__(self, folder: Path, owner: bytes) -> None:
        self._owner = owner
        folder.mkdir(parents=True, exist_ok=True)
        self._file = _new_path(folder).open("xb", buffering=0)
        self._size_bytes = 0
        self._is_torn = False

    @property
    def is_removed(self) -> bool:
        """Whether somebody has removed the file, so that nobody would see what is appended."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def append(self, records: bytes) -> None:
        """Append whole records.

        Raises:
            OSError: They could not be written; the file is as it was before.
        """
        self._cut_off()
        if self._size_bytes == 0:
            records = frame(_version() + self._owner) + records
        try:
            self._write(records)
        except OSError:
            self._is_torn = True
            self._cut_off()
            raise
        self._size_bytes += len(records)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut_off(self) -> None:
        """Take back what was written of an append that failed. If that fails too, try again."""
        if self._is_torn:
            self._file.truncate(self._size_bytes)
            self._file.seek(self._size_bytes)
            self._is_torn = False

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        # An unbuffered write may take a part only, as it does when the disk fills up.
        while rest:
            rest = rest[self._file.write(rest) :]


def _new_path(folder: Path) -> Path:
    """Return a path that sorts after all event files of the folder.

    TensorBoard reads the files of a folder in the order of their names. With the plain time in it,
    a second attempt within one second, or after the clock was set back, could be read first.
    """
    found = [int(path.name.split(".")[3]) for path in find_files(folder)]
    time_s = max([int(time.time()), *(other_s + 1 for other_s in found)])
    name = f"events.out.tfevents.{time_s:010d}.{socket.gethostname()}.{os.getpid()}"
    return folder / name


def _version() -> bytes:
    # From version 2 on, readers drop orphaned points at `SessionLog.START`, and only there.
    event = Event(
        wall_time=time.time(),
        file_version="brain.Event:2",
        source_metadata=SourceMetadata(writer="logflume"),
    )
    return bytes(event.SerializeToString())
