"""The journal: one event a line, append-only, the full record of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from logflume.formats.append import AppendFile, end_of_lines
from logflume.formats.journal import read_pieces
from logflume.formats.rotation import Rotation
from logflume.protocols import Event, Position
from logflume.runs.info import RunInfo

__all__ = ["JsonlSink"]


class JsonlSink:
    """Writes each batch with one system call, so that nothing waits in the process.

    After a `kill -9` the file holds all that was written; a torn last line, which a full disk or
    a lost machine may leave, is removed when the file is opened again. A file that has reached
    `rotate_bytes` becomes `<name>.<number>.jsonl.zst`, compressed on a thread; DuckDB reads
    `events*.jsonl*` as it is.

    Args:
        path: The file; its folder is made.
        rotate_bytes: Size at which a new file is begun.

    Raises:
        ValueError: `rotate_bytes` is not above 0.
    """

    detachable = True
    journal = True

    def __init__(self, path: Path, *, rotate_bytes: int = 256_000_000) -> None:
        if rotate_bytes <= 0:
            raise ValueError(f"rotate_bytes must be above 0, not {rotate_bytes}")
        self._rotate_bytes = rotate_bytes
        self._rotation = Rotation(path)
        self._file = AppendFile(path, find_end=end_of_lines)

    def write(self, events: Sequence[Event]) -> None:
        """Append the events.

        Raises:
            OSError: They can't be written; the file is as it was before.
        """
        if self._file.size >= self._rotate_bytes:
            self._rotation.rotate()
            self._file.reopen()
        lines = _encode(events)
        batch = b"".join(lines)
        if not batch.isascii() or b"\x7f" in batch:
            batch = b"".join(map(_show, lines))
        self._file.append(batch)

    def read(self, run: RunInfo, first: Position) -> Iterator[list[Event]]:
        """Yield the events of a run and rank from this one on; see `logflume.protocols.Journal`."""
        return read_pieces(self._rotation.files, run, first)

    def flush(self) -> None:
        """Do nothing: a written batch can be read at once."""

    def close(self) -> None:
        """Close the file and wait for the compression of rotated ones."""
        self._file.close()
        self._rotation.close()


_HIDDEN = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)
"""What a terminal obeys or hides, and JSON allows as it is: C1 controls, line separators, marks
that turn the direction of writing. Written as `\\u009b` and so on they are the same to readers."""


def _encode(events: Sequence[Event]) -> list[bytes]:
    option = orjson.OPT_APPEND_NEWLINE
    try:
        return [orjson.dumps(event, option=option) for event in events]
    except TypeError:
        # A name that is only like a text. The option for it takes half as long again.
        option |= orjson.OPT_NON_STR_KEYS
        return [orjson.dumps(event, option=option) for event in events]


def _show(line: bytes) -> bytes:
    # Line by line: a search through a batch of long texts would hold up Python's other threads.
    return line if line.isascii() and b"\x7f" not in line else _HIDDEN.sub(_escape, line)


def _escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())
