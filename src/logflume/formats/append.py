"""A file that only grows, by whole pieces: for the journal, the CSV and the text log."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["AppendFile", "end_of_lines", "read_at"]


_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)


class AppendFile:
    """Appends bytes so that a piece is there whole or not at all.

    A file that somebody removes is made again. A named pipe is never waited for: while it is full,
    it raises like a disk that is.

    Args:
        path: The file; its folder is made.
        find_end: Given the open file, returns the offset up to which it is whole; what
            follows is what a crash left of a piece, and is cut off.
        header: What an empty file begins with.

    Attributes:
        size: Its length in bytes.
    """

    def __init__(self, path: Path, find_end: Callable[[int], int], header: bytes = b"") -> None:
        self._path = path
        self._find_end = find_end
        self._header = header
        self._rest = b""
        self._torn = 0
        self._file = -1
        self.size = 0
        self.reopen()

    def reopen(self) -> None:
        """Open the file of that name, after the old one was moved away."""
        self.close()
        self.size = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, _FLAGS, 0o644)
        try:
            end = self._find_end(file)
            if end < os.fstat(file).st_size:
                os.ftruncate(file, end)
        except OSError:
            os.close(file)
            raise
        self._file, self.size, self._torn = file, end, 0
        self._rest = b""
        if end == 0 and self._header:
            self._write(self._header)

    def append(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            OSError: It can't be written; what was written of it is cut off again.
        """
        if self._file < 0 or os.fstat(self._file).st_nlink == 0:
            self.reopen()
        self._cut_off()
        self._write_rest()
        self._write(piece)

    def close(self) -> None:
        """Close the file. Called again it does nothing.

        Raises:
            OSError: What a failed append left could not be cut off, or the rest of a piece not be
                written to a pipe.
        """
        if self._file >= 0:
            try:
                self._cut_off()
                self._write_rest()
            finally:
                # Whatever `close` says, the number is no longer ours.
                file, self._file = self._file, -1
                os.close(file)

    def _write_rest(self) -> None:
        while self._rest:
            self._rest = self._rest[os.write(self._file, self._rest) :]

    def _write(self, piece: bytes) -> None:
        written = 0
        try:
            while written < len(piece):
                written += os.write(self._file, piece[written:] if written else piece)
        except BlockingIOError:
            # What is in a pipe can't be taken back: the rest goes before the next piece.
            if not written:
                raise
            self._rest = piece[written:]
        except OSError:
            self._torn = written
            self._cut_off()
            raise
        self.size += len(piece)

    def _cut_off(self) -> None:
        """Take back what was written of a piece. If that fails too, it is tried again."""
        if not self._torn:
            return
        # Another process may have appended since; its lines are not ours to cut.
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        if os.fstat(self._file).st_size == end:
            os.ftruncate(self._file, end - self._torn)
        self._torn = 0


def end_of_lines(file: int) -> int:
    """Return the length of the file up to its last newline."""
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
    """Return so many bytes of a file. The system may hand out fewer at a time, and not at its end.

    Raises:
        OSError: They can't be read. To take what there is for all would be to cut off the rest.
    """
    pieces = []
    while length:
        piece = os.pread(file, length, offset)
        if not piece:
            raise OSError(errno.EIO, f"the file ends before offset {offset + length}")
        pieces.append(piece)
        length -= len(piece)
        offset += len(piece)
    return b"".join(pieces)
