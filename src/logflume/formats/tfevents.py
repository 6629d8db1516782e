"""TensorBoard event files: encoding records, and reading back which events they contain."""

from __future__ import annotations

import math
import os
import re
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from logflume.protocols import FaultKind, Position, ScanFault, ScannedEvent
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import open_file

__all__ = [
    "FRAME_BYTES",
    "EventFileWriter",
    "LastEvent",
    "PositionsUpTo",
    "drop_unfinished",
    "find_files",
    "find_last_event",
    "find_own_files",
    "find_started_s",
    "find_tags",
    "float32",
    "frame",
    "is_event_file_name",
    "is_first_record",
    "owner_field",
    "position_field",
    "read_records",
    "scalar_head",
    "scan_event_files",
    "summary_event",
]


FRAME_BYTES = 16
"""Size of the header and the checksum that frame the data of a record."""

_RECORD_LENGTH = struct.Struct("<Q")

_CHECKSUM = struct.Struct("<I")


def is_event_file_name(name: str) -> bool:
    """Whether a file of this name, of whatever program, is an event file."""
    return "tfevents" in name and not name.endswith(".profile-empty")


def is_first_record(data: bytes) -> bool:
    """Whether a file that starts with these bytes is an event file."""
    return b"brain.Event:" in data[:64]


def frame(data: bytes) -> bytes:
    """Return `data` framed as a record."""
    return b"".join((_record_header(len(data)), data, _checksum(data)))


def read_records(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Yield the data of the records of a file, up to the first torn or damaged one.

    Args:
        path: The file.
        offset: Offset of a record in bytes.
    """
    with open(path, "rb", opener=open_file) as file:
        file.seek(offset)
        while header := file.read(_RECORD_LENGTH.size + _CHECKSUM.size):
            length = header[: _RECORD_LENGTH.size]
            # Checked first: a length that a crash left damaged could request any amount of memory.
            if header[_RECORD_LENGTH.size :] != _checksum(length):
                return
            (size,) = _RECORD_LENGTH.unpack(length)
            if size > path.stat().st_size:  # a checksum doesn't prove who wrote it
                return
            data, checksum = file.read(size), file.read(_CHECKSUM.size)
            if checksum != _checksum(data):
                return
            yield data


@lru_cache(1024)
def _record_header(size: int) -> bytes:
    length = _RECORD_LENGTH.pack(size)
    return length + _checksum(length)


def _checksum(data: bytes) -> bytes:
    crc = _crc32c()(data)
    # The format masks checksums, because a checksum of data that contains checksums is weak.
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return _CHECKSUM.pack(masked)


@cache
def _crc32c() -> Callable[[bytes], int]:
    # Imported here: only one command of the CLI needs it.
    import google_crc32c

    return google_crc32c.value  # type: ignore[no-any-return]


_WALL_TIME = struct.Struct("<Bd")

_FLOAT = struct.Struct("<f")


def scalar_head(tag: str) -> bytes:
    """Return the serialized `value` of a `Summary` with this tag, up to the bytes of its number."""
    inner = delimited(1, tag.encode()) + bytes([2 << 3 | 5])
    return bytes([1 << 3 | 2]) + _varint(len(inner) + _FLOAT.size) + inner


def float32(value: float) -> bytes:
    """Return the four bytes of a float32; numbers out of range become infinite, as in protobuf."""
    try:
        return _FLOAT.pack(value)
    except OverflowError:
        return _FLOAT.pack(math.inf if value > 0 else -math.inf)


def summary_event(wall_time_s: float, step: int, summary: bytes, more: bytes = b"") -> bytes:
    """Return a serialized `Event` that contains a `Summary`.

    Args:
        wall_time_s: Seconds since 1970, UTC.
        step: Training step.
        summary: Serialized values of the `Summary`, concatenated.
        more: Further fields of the `Event`, serialized.
    """
    wall_time = _WALL_TIME.pack(1 << 3 | 1, wall_time_s)
    size = _varint(len(summary))
    return b"".join((wall_time, b"\x10", _varint(step), b"\x2a", size, summary, more))


def delimited(number: int, data: bytes) -> bytes:
    """Return a serialized length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


@lru_cache(1024)
def _varint(number: int) -> bytes:
    number &= 0xFFFF_FFFF_FFFF_FFFF  # a negative int64 is encoded as two's complement
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


OWNER_FIELD, POSITION_FIELD, MORE_FIELD = 1000, 1001, 1002
"""Fields that are not in TensorBoard's schema: in a file's first record, and in those of events."""

POSITION = struct.Struct("<QQ")
"""The attempt and `seq` of the last event of a step. `MORE_FIELD` has the `seq`s of the others."""

_START = b"\x3a\x02\x08\x01"
"""The end of a record with `SessionLog.START`."""

_NAME = re.compile(r"events\.out\.tfevents\.(\d+)")


def find_own_files(folder: Path, run: RunInfo) -> list[Path]:
    """Return the event files of a run and rank, and those without any readable record."""
    return [path for path in find_files(folder) if _is_written_by(path, run)]


def scan_event_files(folder: Path, run: RunInfo) -> Iterator[ScannedEvent | ScanFault]:
    """Yield the positions of the events of a writer in a folder of event files, and faults.

    There are no checksums, because the format has its own for each record.

    Args:
        folder: The folder; it may be missing.
        run: The run and rank.
    """
    for path in find_own_files(folder, run):
        read_bytes = 0
        for record in read_records(path):
            read_bytes += len(record) + FRAME_BYTES
            position = _field(record, POSITION_FIELD)
            if position is not None and len(position) == POSITION.size:
                attempt, seq = POSITION.unpack(position)
                for one in (*_unpack_seqs(_field(record, MORE_FIELD) or b""), seq):
                    yield ScannedEvent((attempt, one))
        rest_bytes = path.stat().st_size - read_bytes
        if rest_bytes:
            what = "unreadable bytes at the end of the file"
            yield ScanFault(what, FaultKind.TORN, rest_bytes, path.name)


def _is_written_by(path: Path, run: RunInfo) -> bool:
    first = next(read_records(path), None)
    return first is None or _field(first, OWNER_FIELD) == f"{run.run}/{run.rank}".encode()


def _field(record: bytes, number: int) -> bytes | None:
    from google.protobuf.message import DecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        fields: Any = UnknownFieldSet(Event.FromString(record))
    except DecodeError:
        return None
    return next((bytes(field.data) for field in fields if field.field_number == number), None)


_POSITION_PREFIX = delimited(POSITION_FIELD, bytes(POSITION.size))[: -POSITION.size]

_POSITION_BYTES = len(_POSITION_PREFIX) + POSITION.size


class LastEvent(NamedTuple):
    """The last event of a run and rank in a folder of event files.

    Attributes:
        attempt: Its attempt.
        seq: Its `seq`.
        step: The step at which TensorBoard shows it.
    """

    attempt: int
    seq: int
    step: int


class PositionsUpTo:
    """The set of all positions up to a last one.

    Events are written to a folder in order, so only events after the last one can be missing. An
    event that was skipped is not added later, because its points would make the curves zigzag.

    Args:
        last: The last position.
    """

    def __init__(self, last: Position) -> None:
        self._last = last

    def __contains__(self, position: object) -> bool:
        return isinstance(position, tuple) and position <= self._last


def position_field(attempt: int, seq: int, also: Sequence[int] = ()) -> bytes:
    """Return the serialized fields with the positions of events, the last ones of their record.

    Args:
        attempt: The attempt of the events.
        seq: The `seq` of the last one.
        also: Those of the others.
    """
    more = delimited(MORE_FIELD, struct.pack(f"<{len(also)}Q", *also)) if also else b""
    return more + _POSITION_PREFIX + POSITION.pack(attempt, seq)


def _unpack_seqs(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 8}Q", data) if len(data) % 8 == 0 else ()


def owner_field(run: RunInfo) -> bytes:
    """Return the serialized field with the run and rank, the last one of a file's first record."""
    return delimited(OWNER_FIELD, f"{run.run}/{run.rank}".encode())


def find_last_event(folder: Path, run: RunInfo) -> LastEvent | None:
    """Return the last event of a run and rank in a folder; None if there is none."""
    from tensorboard.compat.proto.event_pb2 import Event

    for path in reversed(find_files(folder)):
        records = read_records(path)
        if not next(records, b"").endswith(owner_field(run)):
            continue
        for last in deque(filter(_has_position, records), maxlen=1):
            attempt, seq = POSITION.unpack(last[-POSITION.size :])
            return LastEvent(attempt, seq, Event.FromString(last).step)
    return None


def find_started_s(folder: Path, run: RunInfo) -> float | None:
    """Return when a run began, in seconds since 1970, as its first file in a folder says.

    Args:
        folder: The folder.
        run: The run and rank.
    """
    for path in find_own_files(folder, run):
        if first := next(read_records(path), b""):
            return float(_WALL_TIME.unpack_from(first)[1])
    return None


def find_tags(folder: Path, run: RunInfo, step: int) -> set[str]:
    """Return the tags that the latest attempt of a run and rank has at a step.

    Args:
        folder: The folder.
        run: The run and rank.
        step: The step.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    of_step = b"".join((b"\x10", _varint(step), b"\x2a"))
    tags: set[str] = set()
    for path in find_own_files(folder, run):
        for data in read_records(path):
            if data.startswith(of_step, _WALL_TIME.size):
                tags.update(value.tag for value in Event.FromString(data).summary.value)
            elif data.endswith(_START) and Event.FromString(data).HasField("session_log"):
                tags.clear()
    return tags


def drop_unfinished(folder: Path, run: RunInfo) -> None:
    """Remove what follows the last record with a position in the last file of a run and rank.

    The records of a step are appended together, and the last of them has the position. A kill while
    they are written may leave only the first ones, whose events are added again.
    """
    for path in reversed(find_files(folder)):
        records = read_records(path)
        first = next(records, b"")
        if not first.endswith(owner_field(run)):
            continue
        size_bytes = end_bytes = len(first) + FRAME_BYTES
        for data in records:
            size_bytes += len(data) + FRAME_BYTES
            if _has_position(data):
                end_bytes = size_bytes
        if path.stat().st_size > end_bytes:
            descriptor = open_file(path, os.O_WRONLY)
            try:
                os.ftruncate(descriptor, end_bytes)
            finally:
                os.close(descriptor)
        return


def _has_position(record: bytes) -> bool:
    return record[-_POSITION_BYTES:].startswith(_POSITION_PREFIX)


def find_files(folder: Path) -> list[Path]:
    """Return the event files of a folder, in the order in which TensorBoard reads them."""
    paths = folder.iterdir() if folder.is_dir() else []
    return sorted(path for path in paths if _NAME.match(path.name))


class EventFileWriter:
    """Writes a new event file, which starts with a record of the format's version.

    Every append is written to the operating system immediately, so a killed process loses nothing
    that was appended.

    Args:
        folder: Folder for the file. TensorBoard shows all event files of a folder as one run.
        owner: The last field of the first record, from `owner_field`.
        started_s: The time of the first record, in seconds since 1970: when the run began.
    """

    def __init__(self, folder: Path, owner: bytes, started_s: float | None = None) -> None:
        self._owner = owner
        self._started_s = started_s
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(_new_path(folder), "xb", buffering=0, opener=open_file)  # noqa: SIM115
        self._size_bytes = 0
        self._is_torn = False

    def find_missing_bytes(self) -> int | None:
        """Return how many bytes another process has removed; None if it has left the file alone."""
        status = os.fstat(self._file.fileno())
        if status.st_nlink and status.st_size >= self._size_bytes:
            return None
        return self._size_bytes - (status.st_size if status.st_nlink else 0)

    def append(self, records: bytes) -> None:
        """Append framed records.

        Raises:
            OSError: They can't be written; the file is unchanged.
        """
        self._truncate_torn()
        if self._size_bytes == 0:
            records = frame(_version(self._started_s) + self._owner) + records
        try:
            self._write(records)
        except OSError:
            self._is_torn = True
            self._truncate_torn()
            raise
        self._size_bytes += len(records)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _truncate_torn(self) -> None:
        """Truncate what a failed append has written. If that fails, the next call tries again."""
        if self._is_torn:
            self._file.truncate(self._size_bytes)
            self._file.seek(self._size_bytes)
            self._is_torn = False

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        # An unbuffered write may be partial, for example when the disk fills up.
        while rest:
            rest = rest[self._file.write(rest) :]


def _new_path(folder: Path) -> Path:
    """Return a path that sorts after all event files of the folder.

    TensorBoard reads the files of a folder in the order of their names. If the name had just the
    current time, a second attempt within the same second, or after the clock was set back, could
    be read first.
    """
    times_s = [int(path.name.split(".")[3]) for path in find_files(folder)]
    time_s = max([int(time.time()), *(other_s + 1 for other_s in times_s)])
    name = f"events.out.tfevents.{time_s:010d}.{socket.gethostname()}.{os.getpid()}"
    return folder / name


def _version(started_s: float | None) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata

    # From version 2 on, readers drop orphaned points at `SessionLog.START` only.
    event = Event(
        wall_time=time.time() if started_s is None else started_s,
        file_version="brain.Event:2",
        source_metadata=SourceMetadata(writer="logflume"),
    )
    return bytes(event.SerializeToString())
