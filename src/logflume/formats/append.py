"""Append-only file that keeps whole writes only, for the journal, the CSV and the text log."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from logflume.formats.durable import sync, sync_entry
from logflume.protocols import FaultKind, ScanFault, ScannedEvent
from logflume.runs.safe_files import bounded_lines, open_file

__all__ = ["AppendFile", "end_of_lines", "read_at", "scan_lines"]


_REMOVED = "removed by another process: {count:,} bytes are missing"
_TRUNCATED = (
    "truncated by another process (logrotate's copytruncate?): {count:,} bytes are missing; "
)

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND


class AppendFile:
    """A file to which each append is written completely or not at all.

    If another process removes or truncates the file, the next append starts it again, and `loss`
    says what is missing. Links and anything else that is not a regular file are refused.

    Args:
        path: The file. Its folder is created if missing.
        find_end: Given the open file's descriptor, returns the offset where its last complete
            write ends. Anything after it was left by a crash and is truncated.
        header: Content that an empty file starts with.
        advice: What to do instead of letting logrotate truncate the file.

    Attributes:
        size: Length of the file in bytes.
    """

    def __init__(
        self,
        path: Path,
        find_end: Callable[[int], int],
        header: bytes = b"",
        advice: str = "exclude this file from logrotate",
    ) -> None:
        self._path = path
        self._find_end = find_end
        self._header = header
        self._advice = advice
        self._missing_bytes = 0
        self._how_lost = ""
        self._torn_bytes = 0
        self._file = -1
        self.size = 0
        self.reopen()

    def reopen(self) -> None:
        """Open the path again, after the old file was moved away.

        Raises:
            OSError: It can't be opened, or is not a regular file.
        """
        self.close()
        self.size = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = open_file(self._path, _FLAGS)
        try:
            end = self._find_end(file)
            if end < os.fstat(file).st_size:
                os.ftruncate(file, end)
        except OSError:
            os.close(file)
            raise
        self._file, self.size, self._torn_bytes = file, end, 0
        if end == 0 and self._header:
            self._write(self._header)

    def append(self, data: bytes) -> None:
        """Append bytes to the file.

        Raises:
            OSError: They can't be written. A part that was written is removed again.
        """
        if self._file < 0 or self._is_cut():
            self.reopen()
        self._truncate_torn()
        self._write(data)

    def close(self) -> None:
        """Close the file. Further calls do nothing.

        Raises:
            OSError: The remains of a failed append can't be truncated.
        """
        if self._file >= 0:
            self.check()
            try:
                self._truncate_torn()
            finally:
                # The descriptor is invalid after `close`, even if `close` fails.
                file, self._file = self._file, -1
                os.close(file)

    def sync(self) -> None:
        """Return once the file, including its name, is on the disk.

        Raises:
            OSError: It is unknown how much of the file is on the disk.
        """
        if self._file >= 0:
            sync(self._file)
            sync_entry(self._path)

    def check(self) -> None:
        """Notice whether another process has removed or truncated the file."""
        if self._file >= 0:
            self._is_cut()

    @property
    def loss(self) -> str | None:
        """What another process has removed of the file, as of the last call; None if nothing."""
        if not self._missing_bytes:
            return None
        return f"{self._path} was {self._how_lost.format(count=self._missing_bytes)}"

    def _is_cut(self) -> bool:
        """Whether another process has removed or truncated the file; what is missing is counted."""
        status = os.fstat(self._file)
        if status.st_nlink == 0:
            self._how_lost = _REMOVED
            self._count_missing(0)
            return True
        if status.st_size < self.size:
            self._how_lost = _TRUNCATED + self._advice
            self._count_missing(status.st_size)
            return True
        return False

    def _count_missing(self, left_bytes: int) -> None:
        self._missing_bytes += self.size - left_bytes
        self.size = left_bytes

    def _write(self, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:] if written else data)
        except OSError:
            self._torn_bytes = written
            self._truncate_torn()
            raise
        self.size += len(data)

    def _truncate_torn(self) -> None:
        """Truncate what a failed append has written. If that fails, the next call tries again."""
        if not self._torn_bytes:
            return
        # Another process may have appended since. Its lines must not be truncated.
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        if os.fstat(self._file).st_size == end:
            os.ftruncate(self._file, end - self._torn_bytes)
        self._torn_bytes = 0


def end_of_lines(file: int) -> int:
    """Return the offset after the last newline of a file; 0 if it has none."""
    size = os.fstat(file).st_size
    position = size
    while position > 0:
        start = max(0, position - 65_536)
        newline = read_at(file, position - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def read_at(file: int, length: int, offset: int) -> bytes:
    """Return exactly `length` bytes of a file, although `pread` may return fewer at a time.

    Raises:
        OSError: They can't be read, or the file ends before. A short result would make the caller
            truncate the rest of the file.
    """
    chunks = []
    while length:
        chunk = os.pread(file, length, offset)
        if not chunk:
            raise OSError(errno.EIO, f"the file ends before offset {offset + length}")
        chunks.append(chunk)
        length -= len(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def scan_lines(path: Path) -> Iterator[ScannedEvent | ScanFault]:
    """Yield an event for each line of a text file; a line doesn't have its event's position.

    Args:
        path: The file; it may be missing.
    """
    if not path.exists():
        return
    with open(path, "rb", opener=open_file) as file:
        for line in bounded_lines(file, path):
            is_torn = not line.endswith(b"\n")
            yield ScanFault("torn last line", FaultKind.TORN) if is_torn else ScannedEvent(None)
