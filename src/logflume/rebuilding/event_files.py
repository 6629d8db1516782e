"""TensorBoard's event files, as far as whether they are whole, and which events they have."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logflume.rebuilding.tfrecord import FRAME_BYTES, read_records
from logflume.run import RunInfo

__all__ = ["OWNER_FIELD", "PLACE", "PLACE_FIELD", "EventFile", "find_event_files"]

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
