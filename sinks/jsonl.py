"""The journal sink: one event per line, append-only, the full record of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from logflume.formats.append import AppendFile, end_of_lines
from logflume.formats.journal import read_batches
from logflume.formats.rotation import Rotation
from logflume.protocols import Event, Position
from logflume.runs.info import RunInfo

__all__ = ["JsonlSink"]


class JsonlSink:
    """Writes each batch with one system call; nothing is buffered in the process.

    After `kill -9` the file holds everything that was written. A torn last line, which a full
    disk or the loss of the machine may leave, is removed when the file is opened again. A file
    that has reached `rotate_bytes` becomes `<name>.<number>.jsonl.zst`, compressed on a thread of
    its own. DuckDB reads `events*.jsonl*` directly.

    Args:
        path: The file; its folder is created.
        rotate_bytes: Size in bytes at which a new file is started.

    Raises:
        ValueError: `rotate_bytes` is not above 0.
    """

    detachable = True
    output = "file"
    journal = True

    def __init__(self, path: Path, *, rotate_bytes: int = 256_000_000) -> None:
        if rotate_bytes <= 0:
            raise ValueError(f"rotate_bytes must be above 0, not {rotate_bytes}")
        self._rotate_bytes = rotate_bytes
        self._rotation = Rotation(path)
        self._file = AppendFile(path, end_of_lines, advice="rotate with `rotate_bytes` instead")

    @property
    def loss(self) -> str | None:
        """What another process has removed of the file; None if nothing."""
        return self._file.loss

    def write(self, events: Sequence[Event]) -> None:
        """Append the events.

        Raises:
            OSError: The events can't be written; the file is unchanged.
        """
        if self._file.size >= self._rotate_bytes:
            self._file.close()  # once compressed, it is removed: no loss
            self._rotation.rotate()
            self._file.reopen()
        lines = _encode(events)
        batch = b"".join(lines)
        if not batch.isascii() or b"\x7f" in batch:
            batch = b"".join(map(_escape_line, lines))
        self._file.append(batch)

    def read(self, run: RunInfo, first: Position) -> Iterator[list[Event]]:
        """Yield the events of a run and rank from `first` on; see `logflume.protocols.Journal`."""
        return read_batches(self._rotation.files, run, first)

    def flush(self) -> None:
        """Check that the file is still there: a written batch is readable at once."""
        self._file.check()

    def close(self) -> None:
        """Close the file, and wait until all rotated files are compressed."""
        self._file.close()
        self._rotation.close()


_UNSAFE = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)
"""Characters that terminals interpret or hide, but JSON allows unescaped: DEL, C1 controls, line
separators, bidirectional marks. Readers get the same text from escapes such as `\\u009b`."""


def _encode(events: Sequence[Event]) -> list[bytes]:
    option = orjson.OPT_APPEND_NEWLINE
    try:
        return [orjson.dumps(event, option=option) for event in events]
    except TypeError:
        # A field name is a str subclass. The option that accepts it takes 1.5 times as long.
        option |= orjson.OPT_NON_STR_KEYS
        return [orjson.dumps(event, option=option) for event in events]


def _escape_line(line: bytes) -> bytes:
    # Line by line: searching a batch of long texts in one call would block other Python threads.
    return line if line.isascii() and b"\x7f" not in line else _UNSAFE.sub(_escape, line)


def _escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())
