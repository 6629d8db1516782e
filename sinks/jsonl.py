"""The journal sink: one event per line, append-only, the full record of a run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path

import orjson

from logflume.formats.append import AppendFile, end_of_lines
from logflume.formats.journal import read_batches
from logflume.formats.rotation import CompressedRotation
from logflume.protocols import Event, Position
from logflume.runs.info import RunInfo

__all__ = ["JsonlSink"]


class JsonlSink:
    """Writes each batch with one system call; nothing is buffered in the process.

    After `kill -9` the file holds everything that was written. A torn last line, which a full
    disk or the loss of the machine may leave, is removed when the file is opened again. A file
    that has reached `rotate_bytes` becomes `<name>.<number>.jsonl.zst`, compressed on a thread of
    its own. DuckDB reads `events*.jsonl*` directly.

    Written events survive the end of any process, but not necessarily that of the machine: the
    system writes them to the disk some seconds later. With `fsync_interval_s`, they are on the disk
    at most that much later, plus a quarter of it and the duration of `fsync`. The sink calls
    `fsync` on the thread that writes, never on one of the training.

    A failed `fsync` is a fault. It is not repeated, because the system may have discarded what it
    could not write, and would then report success. Everything written since the last successful
    `fsync` counts as a `loss`.

    Args:
        path: The file; its folder is created.
        rotate_bytes: Size in bytes at which a new file is started.
        fsync_interval_s: Interval in seconds at which `fsync` is called if something new was
            written; it is also called before rotating and at the end. None: never.

    Raises:
        ValueError: `rotate_bytes` or `fsync_interval_s` is not above 0.
    """

    detachable = True
    title = "journal"
    output = "file"
    journal = True

    def __init__(
        self,
        path: Path,
        *,
        rotate_bytes: int = 256_000_000,
        fsync_interval_s: float | None = None,
    ) -> None:
        if rotate_bytes <= 0:
            raise ValueError(f"rotate_bytes must be above 0, not {rotate_bytes}")
        if fsync_interval_s is not None and not fsync_interval_s > 0:
            raise ValueError(f"fsync_interval_s must be above 0, not {fsync_interval_s}")
        self.flush_every_s = min(1.0, (fsync_interval_s or inf) / 4)
        self._rotate_bytes = rotate_bytes
        self._fsync_interval_s = fsync_interval_s
        self._rotation = CompressedRotation(path, syncs=fsync_interval_s is not None)
        self._file = AppendFile(path, end_of_lines, advice="rotate with `rotate_bytes` instead")
        self._synced_at_s = time.monotonic()
        self._unsynced_bytes = self._file.size
        self._unsafe_bytes = 0

    @property
    def loss(self) -> str | None:
        """What another process has removed, or a failed `fsync` may have lost; None if nothing."""
        if self._unsafe_bytes:
            return f"fsync failed: {self._unsafe_bytes:,} bytes may not survive a power failure"
        return self._file.loss

    def write(self, events: Sequence[Event]) -> None:
        """Append the events.

        Raises:
            OSError: The events can't be written; the file is unchanged.
        """
        if self._file.size >= self._rotate_bytes:
            self._sync()
            self._file.close()  # once compressed, it is removed: no loss
            self._rotation.rotate()
            self._file.reopen()
        lines = _encode(events)
        batch = b"".join(lines)
        if not batch.isascii() or b"\x7f" in batch:
            batch = b"".join(map(_escape_line, lines))
        self._file.append(batch)
        self._unsynced_bytes += len(batch)

    def read(self, run: RunInfo, first: Position) -> Iterator[list[Event]]:
        """Yield the events of a run and rank from `first` on; see `logflume.protocols.Journal`."""
        return read_batches(self._rotation.files, run, first)

    def flush(self) -> None:
        """Check that the file is still there. A batch can be read as soon as it is written.

        Raises:
            OSError: An `fsync` was due, and failed.
        """
        self._file.check()
        if time.monotonic() - self._synced_at_s >= (self._fsync_interval_s or inf):
            self._sync()

    def close(self) -> None:
        """Close the file, and wait until all rotated files are compressed.

        Raises:
            OSError: The last `fsync` failed.
        """
        try:
            self._sync()
        finally:
            self._file.close()
            self._rotation.close()

    def _sync(self) -> None:
        """Write new data to the disk, if that is configured. A failure is final."""
        if self._fsync_interval_s is None or not self._unsynced_bytes:
            return
        new_bytes, self._unsynced_bytes = self._unsynced_bytes, 0
        try:
            self._file.sync()
        except OSError:
            self._unsafe_bytes += new_bytes
            raise
        finally:
            self._synced_at_s = time.monotonic()


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
