"""The journal: one event a line, append-only, the full record of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from logflume.protocols import Event

from ._appendfile import AppendFile, end_of_lines
from ._rotation import Rotation

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
        self._file.append(b"".join([orjson.dumps(event, option=_OPTION) for event in events]))

    def flush(self) -> None:
        """Do nothing: a written batch can be read at once."""

    def close(self) -> None:
        """Close the file and wait for the compression of rotated ones."""
        self._file.close()
        self._rotation.close()


_OPTION = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
