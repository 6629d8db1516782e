"""The journal of one writer: opening its files consistently, reading and validating its lines."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec
import orjson

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import EventBase
from logflume.exceptions import RunError
from logflume.protocols import Event, Position
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo
from logflume.values.coerce import coerce
from logflume.values.declared import declared_kind
from logflume.values.kinds import INT64_MAX, MISFIT

__all__ = [
    "TORN",
    "JournalLine",
    "OnProgress",
    "event_type_filter",
    "find_fault",
    "find_position",
    "ignore_progress",
    "journal_bytes",
    "open_files",
    "parse_line",
    "parse_lines",
    "read_batches",
    "read_journal_lines",
    "read_lines_from",
    "restore_nonfinite",
    "try_restore_nonfinite",
]


_BISECT_BYTES = 1 << 16
"""Range at which the binary search for a line ends and lines are read one by one."""

# The reserved names come first, and quotes within texts are escaped: the first match is the
# event's own.
_POSITION = re.compile(rb'"attempt":(\d+),"rank":\d+,(?:"process":"[^"]*",)?"seq":(\d+)[,}]')


def find_position(line: bytes) -> Position | None:
    """Return the position of a journal line; None if logflume didn't write the line."""
    match = _POSITION.search(line)
    return None if match is None else (int(match[1]), int(match[2]))


def open_files(find: Callable[[], list[Path]], stack: ExitStack) -> list[tuple[Path, Any]]:
    """Open all files of a journal consistently, although a live run may rotate them meanwhile.

    A file that is renamed and compressed while the folder is listed may appear under neither name.
    So the inodes have to be the same before and after, not only the names.

    Args:
        find: Returns the files, in order.
        stack: Closes the files.

    Returns:
        The paths and open files, in order.
    """
    while True:
        paths = find()
        with ExitStack() as opened:
            try:
                inodes = [path.stat().st_ino for path in paths]
                files = [(path, opened.enter_context(_open(path))) for path in paths]
                is_same = paths == find() and inodes == [path.stat().st_ino for path in paths]
            except FileNotFoundError:
                continue
            if is_same:
                stack.push(opened.pop_all())
                return files


def parse_lines(
    path: Path, lines: Iterable[bytes], is_wanted: Callable[[bytes], bool] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the events of a file's lines, without an incomplete last line.

    Args:
        path: The file, for error messages.
        lines: Its lines.
        is_wanted: Selects the lines to parse; None: all.

    Raises:
        RunError: A line is not JSON: the file was damaged, or changed by hand.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        if is_wanted is None or is_wanted(line):
            yield parse_line(line, f"{path}, line {number}")


def event_type_filter(event_type: str) -> Callable[[bytes], bool]:
    """Return a predicate: whether a line may be an event of this type, judged without parsing."""
    pattern = b'"event":' + orjson.dumps(event_type) + b","

    def may_match(line: bytes) -> bool:
        # A line in another layout, for example one edited by hand, has to be parsed.
        return pattern in line or not line.startswith(b'{"timestamp":"')

    return may_match


def read_lines_from(
    files: list[tuple[Path, Any]], first: Position
) -> Iterator[tuple[Position, bytes, Path]]:
    """Yield the lines of a journal from a position on, with their positions and files.

    Events are sorted, so the start is found by binary search without reading the whole file.

    Args:
        files: The files, in order.
        first: The position to start at.
    """
    starts = [find_position(lines.peek()) for _, lines in files]
    for index, (path, lines) in enumerate(files):
        following = [start for start in starts[index + 1 :] if start is not None][:1]
        if following and following[0] <= first:
            continue  # all of its events are older
        if path.suffix != ".zst":
            _seek_before(lines, first)
        for line in lines:
            position = find_position(line)
            if position is not None and position >= first and line.endswith(b"\n"):
                yield position, line, path


def parse_line(line: bytes, where: str) -> dict[str, Any]:
    """Return the event of a line, with NaN and infinities restored.

    Args:
        line: The line.
        where: File and line number, for the error message.

    Raises:
        RunError: The line is not JSON.
    """
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RunError(
            f"{where}: invalid JSON: {error}. Check the run with `logflume doctor RUN`"
        ) from error
    return restore_nonfinite(event)


def _seek_before(file: Any, first: Position) -> None:
    """Seek to the start of a line at or before a position."""
    low, high = 0, file.seek(0, io.SEEK_END)
    while high - low > _BISECT_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        position = find_position(file.readline())
        if position is not None and position < first:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline()


def _open(path: Path) -> Any:
    if path.suffix != ".zst":
        return path.open("rb")
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(str(path), "zstd"))


def restore_nonfinite(event: dict[str, Any]) -> dict[str, Any]:
    """Restore the NaN and infinities of an event of the journal, and remove `nonfinite`."""
    for name, text in event.pop("nonfinite", {}).items():
        field, _, index = name.rpartition(".")
        # The name is either a field whose name has a dot, or an index in the list of a field.
        if name in event and event[name] is None:
            event[name] = float(text)
        else:
            event[field][int(index)] = float(text)
    return event


OnProgress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes of journal that were read since the last call."""

TORN = "torn last line"

_UNREADABLE = "the rest of the file can't be read"

_PROGRESS_BYTES = 1 << 20


class JournalLine(NamedTuple):
    """A line of a journal.

    Attributes:
        path: Its file.
        raw: The bytes of the line, with the newline.
        event: The event, with NaN and infinities restored; None if the line is not a valid event.
        fault: Why the line is not a valid event; empty if it is.
    """

    path: Path
    raw: bytes
    event: dict[str, Any] | None
    fault: str = ""


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
        for path, lines in open_files(writer.journals, stack):
            wanted = lines if is_wanted is None else filter(is_wanted, lines)
            yield from _read_file(path, wanted, run, on_progress)


def _read_file(
    path: Path, lines: Iterable[bytes], run: RunInfo | None, on_progress: OnProgress
) -> Iterator[JournalLine]:
    import pyarrow as pa

    # The progress within a compressed file is unknown, so it is reported at the end.
    is_compressed, read_bytes = path.suffix == ".zst", 0
    try:
        for line in lines:
            yield _read_line(path, line, run)
            read_bytes += len(line)
            if read_bytes >= _PROGRESS_BYTES and not is_compressed:
                on_progress(read_bytes)
                read_bytes = 0
    except (OSError, pa.ArrowException):
        yield JournalLine(path, b"", None, _UNREADABLE)
    on_progress(path.stat().st_size if is_compressed and path.exists() else read_bytes)


def _read_line(path: Path, line: bytes, run: RunInfo | None) -> JournalLine:
    if not line.endswith(b"\n"):
        return JournalLine(path, line, None, TORN)
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return JournalLine(path, line, None, "lines that are not JSON")
    fault = find_fault(event, run)
    if fault is None and not try_restore_nonfinite(event):
        fault = _INVALID
    return JournalLine(path, line, event if fault is None else None, fault or "")


_INVALID = "events that don't match the schema"

_RESERVED = frozenset(EventBase.__struct_fields__)

_PLAIN = (str, int, float, bool, type(None))


def find_fault(event: Any, run: RunInfo | None) -> str | None:
    """Return what is wrong with the JSON value of a journal line; None if it is a valid event.

    Args:
        event: The value, with `nonfinite` not applied yet.
        run: The identity of the journal's writer; None if that isn't known yet.
    """
    if not isinstance(event, dict):
        return "lines that are not events"
    try:
        msgspec.convert(event, CATALOGUE.get(event.get("event"), EventBase))  # type: ignore[arg-type]
    except (msgspec.ValidationError, TypeError):
        return _INVALID
    if not (_has_valid_reserved_fields(event) and _has_plain_fields(event)):
        return _INVALID
    if run is None:
        return None
    owner = (event["run"], event["rank"], event.get("process"))
    return None if owner == (run.run, run.rank, run.process) else "events of another journal"


def try_restore_nonfinite(event: dict[str, Any]) -> bool:
    """Restore NaN and infinities, and keep `nonfinite`; False if `nonfinite` is invalid."""
    nonfinite = event.get("nonfinite")
    if nonfinite is None:
        return True
    try:
        restore_nonfinite(event)
    except (KeyError, IndexError, ValueError, TypeError):
        return False
    event["nonfinite"] = nonfinite
    return True


def _has_valid_reserved_fields(event: dict[str, Any]) -> bool:
    numbers = (event["attempt"], event["rank"], event["seq"])
    if min(numbers) < 0 or max(*numbers, abs(event["step"] or 0)) > INT64_MAX:
        return False
    try:
        return datetime.fromisoformat(event["timestamp"]).tzinfo is not None
    except ValueError:
        return False


def _has_plain_fields(event: dict[str, Any]) -> bool:
    event_type = event["event"]
    return all(
        _is_valid(value, event_type, name) for name, value in event.items() if name not in _RESERVED
    )


def _is_valid(value: Any, event_type: str, name: str) -> bool:
    kind = _kind(event_type, name)
    if kind is not None:
        return coerce(value, kind, False) is not MISFIT
    return isinstance(value, _PLAIN) or (
        isinstance(value, list) and all(isinstance(item, _PLAIN) for item in value)
    )


_kind = lru_cache(maxsize=65_536)(declared_kind)

_BATCH_BYTES = 1 << 18
"""Size of the lines that are read for one batch of events."""

# As with `_POSITION`, the first match is the event's own.
_WRITER_POSITION = re.compile(rb'"run":"([^"]*)","attempt":(\d+),"rank":(\d+),"seq":(\d+)[,}]')


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
    with ExitStack() as stack:
        files = [lines for _, lines in open_files(find, stack)]
        starts = [_first_position(lines, run) for lines in files]
        for index, lines in enumerate(files):
            following = [start for start in starts[index + 1 :] if start is not None][:1]
            if following and following[0] <= first:
                continue  # all of its events are older
            while batch := lines.readlines(_BATCH_BYTES):
                yield [event for line in batch if (event := _read(line, run, first)) is not None]


def _first_position(lines: Any, run: RunInfo) -> Position | None:
    """Return the position of the file's first event of this run, if it is near the start."""
    return _find_writer_position(lines.peek(), run)


def _read(line: bytes, run: RunInfo, first: Position) -> Event | None:
    position = _find_writer_position(line, run)
    if position is None or position < first or not line.endswith(b"\n"):
        return None
    try:
        return restore_nonfinite(orjson.loads(line))
    except orjson.JSONDecodeError:
        return None


def _find_writer_position(line: bytes, run: RunInfo) -> Position | None:
    match = _WRITER_POSITION.search(line)
    if match is None or match[1].decode() != run.run or int(match[3]) != run.rank:
        return None
    return int(match[2]), int(match[4])
