"""An event file: TensorBoard's records, appended whole."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata

from logflume.rebuilding.tfrecord import frame

__all__ = ["EventFile", "find_files"]

_NAME = re.compile(r"events\.out\.tfevents\.(\d+)")


def find_files(folder: Path) -> list[Path]:
    """Return the event files of a folder, in the order in which TensorBoard reads them."""
    paths = folder.iterdir() if folder.is_dir() else []
    return sorted(path for path in paths if _NAME.match(path.name))


class EventFile:
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
