"""The journal of one writer: opening its files consistently, and reading their lines."""

from __future__ import annotations

import errno
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from logflume.exceptions import RunError
from logflume.formats.journal_lines import (
    JournalLine,
    find_position,
    find_writer_position,
    parse_event,
    parse_header,
    read_line,
)
from logflume.guard import unended
from logflume.protocols import Event, Position
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import MAX_LINE_BYTES, bounded_lines, open_file

__all__ = [
    "Line",
    "OnProgress",
    "batch_by_attempt",
    "find_event_type",
    "ignore_progress",
    "journal_bytes",
    "open_files",
    "open_journal",
    "parse_line",
    "read_batches",
    "read_journal_lines",
    "read_lines",
    "read_lines_from",
]


_BISECT_BYTES = 1 << 13
"""Range at which the binary search for a line ends and lines are read one by one."""

_LEAST_BYTES = 64 * 2**20
_MAX_RATIO = 1_000
"""A compressed file may expand to 1,000 times its size, in any case to 64 MB. Events reach 100."""

_OPEN_TIMEOUT_S = 2.0
"""How long the same listed files may be missing: a rotation takes much less."""

_OPEN_INTERVAL_S = 0.001


def open_files(find: Callable[[], list[Path]], stack: ExitStack) -> list[tuple[Path, Any]]:
    """Open all files of a journal consistently, although a live run may rotate them meanwhile.

    A file that is renamed and compressed while the folder is listed may appear under neither name.
    So the inodes must be the same before and after, not only the names.

    Args:
        find: Returns the files, in order.
        stack: Closes the files.

    Returns:
        The paths and open files, in order.

    Raises:
        RunError: A file can't be opened.
    """
    listed, deadline_s = None, 0.0
    while True:
        paths = find()
        if paths != listed:
            listed, deadline_s = paths, time.monotonic() + _OPEN_TIMEOUT_S
        with ExitStack() as opened:
            try:
                inodes = [path.stat().st_ino for path in paths]
                files = [(path, opened.enter_context(_open(path))) for path in paths]
                is_same = paths == find() and inodes == [path.stat().st_ino for path in paths]
                fault = "its files are replaced repeatedly"
            except FileNotFoundError as error:
                is_same, fault = False, str(error)
            except OSError as error:
                raise RunError(f"The journal can't be opened: {error}") from error
            if is_same:
                stack.push(opened.pop_all())
                return files
        if time.monotonic() >= deadline_s:
            raise RunError(f"The journal can't be opened: {fault}")
        time.sleep(_OPEN_INTERVAL_S)


def open_journal(writer: Writer, stack: ExitStack) -> list[tuple[Path, Any]]:
    """Open all files of a writer's journal consistently, as `open_files` does.

    The folder is only listed if the files have changed since `find_writers` listed it.

    Raises:
        RunError: A file can't be opened.
    """
    paths = writer.listed_journals()
    if paths is not None and writer.listed is not None:
        with ExitStack() as opened, suppress(OSError):
            files = [(path, opened.enter_context(_open(path))) for path in paths]
            # The folder may be listed before or after a rotation, but not the files in between.
            if all(os.stat(path).st_ino == writer.listed[path.name] for path in paths):  # noqa: PTH116
                stack.push(opened.pop_all())
                return files
    return open_files(writer.journals, stack)


class Line(NamedTuple):
    """A line of a journal, not parsed yet.

    Attributes:
        raw: Its bytes; an incomplete last line has no newline.
        path: Its file.
        number: Its number in the file, from 1; None: not known.
    """

    raw: bytes
    path: Path
    number: int | None

    @property
    def is_complete(self) -> bool:
        """Whether the line isn't torn, or just being written."""
        return self.raw.endswith(b"\n")


_LEAST_EVENT_BYTES = 64
"""Minimum size of an event's line: its reserved fields alone take more."""

_MAX_FRAGMENTS = 100_000
"""Maximum in a file: a small compressed one may consist of millions of empty lines."""

_TOO_MANY_FRAGMENTS = f"more than {_MAX_FRAGMENTS:,} lines that are too short for an event"


def read_lines(
    files: Sequence[tuple[Path, Any]],
    first: Position | None = None,
    find: Callable[[bytes], Position | None] = find_position,
) -> Iterator[Line]:
    """Yield the lines of a journal: all, or those of its end that begins before a position.

    Events are sorted, so the start is found by binary search without reading the whole file.

    Args:
        files: The files, in order.
        first: The position of the first event that is wanted; None: all lines.
        find: Returns the position of a line; None if it has none.

    Raises:
        RunError: A file can't be read.
    """
    starts = [None if first is None else _first_position(*file, find) for file in files]
    for index, (path, lines) in enumerate(files):
        following = next((start for start in starts[index + 1 :] if start is not None), None)
        if first is not None and following is not None and following <= first:
            continue  # all of its events are older
        with _reading(path):
            is_whole = path.suffix == ".zst" or first is None or _seek_before(lines, first) == 0
            fragments = 0
            for number, raw in enumerate(bounded_lines(lines, path), 1):
                if len(raw) < _LEAST_EVENT_BYTES:
                    fragments += 1
                    if fragments > _MAX_FRAGMENTS:
                        raise OSError(errno.EFBIG, _TOO_MANY_FRAGMENTS, str(path))
                yield Line(raw, path, number if is_whole else None)


def read_lines_from(
    files: Sequence[tuple[Path, Any]], first: Position
) -> Iterator[tuple[Position, Line]]:
    """Yield the complete lines of events from a position on, each with its position.

    Raises:
        RunError: A file can't be read.
    """
    for line in read_lines(files, first):
        position = find_position(line.raw)
        if position is not None and position >= first and line.is_complete:
            yield position, line


def parse_line(line: Line) -> dict[str, Any]:
    """Return the event of a line for a query: NaN and infinities restored, without `nonfinite`.

    Raises:
        RunError: The line is not an event: the file was damaged, or changed by hand.
    """
    try:
        event = parse_event(line.raw)
    except ValueError as error:
        raise _no_event(line, error) from error
    event.pop("nonfinite", None)
    return event


def find_event_type(line: Line) -> str:
    """Return the type of a line's event, of which only the reserved fields are checked.

    Raises:
        RunError: The line is not an event.
    """
    try:
        return parse_header(line.raw).event
    except ValueError as error:
        raise _no_event(line, error) from error


def _no_event(line: Line, error: ValueError) -> RunError:
    what = "invalid JSON" if isinstance(error, json.JSONDecodeError) else "not an event"
    return RunError(
        f"{line.path}, line {line.number or _find_number(line)}: {what}: {unended(error)}. "
        f"Check the run with `logflume doctor {line.path.parent}`"
    )


def _find_number(line: Line) -> int | str:
    """Return the number of a line in its file, which may have been rotated meanwhile."""
    try:
        with _open(line.path) as lines:
            return next(
                (n for n, raw in enumerate(bounded_lines(lines, line.path), 1) if raw == line.raw),
                "?",
            )
    except OSError:
        return "?"


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a damaged file raises into a `RunError`."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise RunError(
            f"{path}: can't be read: {unended(error)}. "
            f"Check the run with `logflume doctor {path.parent}`"
        ) from error


def _seek_before(file: Any, first: Position) -> int:
    """Seek to the start of a line at or before a position; return the offset."""
    low, high = 0, file.seek(0, io.SEEK_END)
    while high - low > _BISECT_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline(MAX_LINE_BYTES)
        position = find_position(file.readline(MAX_LINE_BYTES))
        if position is not None and position < first:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline(MAX_LINE_BYTES)
    return low


def _open(path: Path) -> Any:
    """Open a file of a journal.

    Raises:
        OSError: It can't be opened, or is not a regular file.
    """
    if path.suffix != ".zst":
        return open(path, "rb", opener=open_file)
    return io.BufferedReader(_Decompressed(path))


class _Decompressed(io.RawIOBase):
    """The content of a compressed file, up to a limit.

    A decompressor takes more than a megabyte, and a run may have thousands of such files open at
    once. So it exists only from the first byte that is read until the last one.

    Args:
        path: The file.

    Raises:
        OSError: It can't be opened, or is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "rb", buffering=0, opener=open_file)  # noqa: SIM115
        size_bytes = os.fstat(self._file.fileno()).st_size
        self._left_bytes = max(_LEAST_BYTES, _MAX_RATIO * size_bytes)
        self._stream: Any = None
        self._is_over = False

    def readable(self) -> bool:
        return True

    def head(self) -> bytes:
        """Return the first bytes, before any other is read."""
        with self._decompress() as stream:
            return bytes(stream.read(io.DEFAULT_BUFFER_SIZE))

    def readinto(self, buffer: Any) -> int:
        """Decompress the next bytes.

        Raises:
            OSError: The content exceeds the limit.
        """
        if self._is_over:
            return 0
        if self._stream is None:
            self._stream = self._decompress()
        count = int(self._stream.readinto(buffer))
        self._left_bytes -= count
        if self._left_bytes < 0:
            problem = f"more than {_MAX_RATIO:,} times its size when decompressed"
            raise OSError(errno.EFBIG, problem, str(self._path))
        if count == 0:
            self._is_over = True
            self._end()
        return count

    def _decompress(self) -> Any:
        import pyarrow as pa

        self._file.seek(0)
        duplicate = io.FileIO(os.dup(self._file.fileno()))  # closed with the stream
        return pa.CompressedInputStream(pa.PythonFile(duplicate, "r"), "zstd")

    def _end(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        self._end()
        self._file.close()
        super().close()


OnProgress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes of journal that were read since the last call."""

_UNREADABLE = "the rest of the file can't be read"

_PROGRESS_BYTES = 1 << 20


def ignore_progress(_size_bytes: int) -> None:
    """Do nothing."""


def journal_bytes(folder: Path) -> int:
    """Return the size of all journal files of a run."""
    paths = (path for writer in find_writers(folder) for path in writer.journals())
    return sum(path.stat().st_size for path in paths if path.exists())


def read_journal_lines(
    writer: Writer,
    run: RunInfo | None,
    on_progress: OnProgress = ignore_progress,
    is_wanted: Callable[[bytes], bool] | None = None,
) -> Iterator[JournalLine]:
    """Yield the lines of a writer's journal, from a consistent view of its files.

    Args:
        writer: The writer.
        run: The writer's identity: events of another one are faults. None accepts all events.
        on_progress: Called with the number of bytes read since the last call.
        is_wanted: Selects the lines to parse; None: all.
    """
    with ExitStack() as stack:
        for file in open_journal(writer, stack):
            yield from _read_file(file, run, on_progress, is_wanted)


def _read_file(
    file: tuple[Path, Any],
    run: RunInfo | None,
    on_progress: OnProgress,
    is_wanted: Callable[[bytes], bool] | None,
) -> Iterator[JournalLine]:
    # The progress within a compressed file is unknown, so it is reported at the end.
    path, _ = file
    is_compressed, read_bytes, number = path.suffix == ".zst", 0, 0
    try:
        for number, line in enumerate(read_lines([file]), 1):
            if is_wanted is None or is_wanted(line.raw):
                yield read_line(path, number, line.raw, run)
            read_bytes += len(line.raw)
            if read_bytes >= _PROGRESS_BYTES and not is_compressed:
                on_progress(read_bytes)
                read_bytes = 0
    except RunError:
        yield JournalLine(path, number + 1, b"", None, _UNREADABLE)
    on_progress(path.stat().st_size if is_compressed and path.exists() else read_bytes)


_BATCH_EVENTS = 1_024


def batch_by_attempt(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Yield events in batches of up to 1,024, each from one attempt."""
    for _, of_attempt in groupby(events, lambda event: event["attempt"]):
        while batch := list(islice(of_attempt, _BATCH_EVENTS)):
            yield batch


_BATCH_BYTES = 1 << 18
"""Size of the lines that are read for one batch of events."""


def read_batches(
    find: Callable[[], list[Path]], run: RunInfo, first: Position
) -> Iterator[list[Event]]:
    """Yield the events of a run and rank from a position on, in batches of about 256 KB of lines.

    Lines that can't be read are skipped.

    Args:
        find: Returns the files, in order.
        run: The run and rank whose events are wanted.
        first: The position to start at.
    """

    def find_own(line: bytes) -> Position | None:
        return find_writer_position(line, run)

    events: list[Event] = []
    size_bytes = 0
    with ExitStack() as stack:
        for line in read_lines(open_files(find, stack), first, find_own):
            position = find_own(line.raw)
            if position is not None and position >= first and line.is_complete:
                with suppress(ValueError):
                    events.append(parse_event(line.raw))
            size_bytes += len(line.raw)
            if size_bytes >= _BATCH_BYTES:
                yield events
                events, size_bytes = [], 0
        yield events


def _first_position(
    path: Path, lines: Any, find: Callable[[bytes], Position | None]
) -> Position | None:
    """Return the position of the file's first event, if it is near the start."""
    with _reading(path):
        is_compressed = isinstance(lines.raw, _Decompressed)
        return find(lines.raw.head() if is_compressed else lines.peek())
