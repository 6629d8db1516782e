"""The journal of one writer: its files, opened at one moment, and read from any event on."""

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
from logflume.values.coerce import INT64_MAX, MISFIT, coerce
from logflume.values.kinds import declared_kind

__all__ = [
    "TORN",
    "JournalLine",
    "OnProgress",
    "find_fault",
    "find_position",
    "ignore_progress",
    "is_of",
    "journal_bytes",
    "open_files",
    "parse",
    "put_back_nonfinite",
    "read_events",
    "read_journal_lines",
    "read_lines_from",
    "restore",
]


_STEP_BYTES = 1 << 16
"""How near the search for a line comes before lines are read one by one."""

# The reserved names come first, and a quote inside of a text has a backslash: the first match
# is the event's own.
_POSITION = re.compile(rb'"attempt":(\d+),"rank":\d+,(?:"process":"[^"]*",)?"seq":(\d+)[,}]')


def find_position(line: bytes) -> Position | None:
    """Return the attempt and `seq` of a line of a journal; None if it isn't written as ours."""
    match = _POSITION.search(line)
    return None if match is None else (int(match[1]), int(match[2]))


def open_files(find: Callable[[], list[Path]], stack: ExitStack) -> list[tuple[Path, Any]]:
    """Open all files of one moment: a run that is being written may rotate between two of them.

    A file that is renamed and compressed while a folder is listed may be seen under neither name,
    so the files have to be the same ones, too, and not only to have the same names.
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


def read_events(
    path: Path, lines: Iterable[bytes], is_wanted: Callable[[bytes], bool] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the events of a file's lines; one that is still being written is left out.

    Args:
        path: The file, for errors.
        lines: Its lines.
        is_wanted: Tells lines that are worth parsing; None: all.

    Raises:
        RunError: A line is no JSON: the file was damaged, or changed by hand.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        if is_wanted is None or is_wanted(line):
            yield parse(line, f"{path}, line {number}")


def is_of(event_type: str) -> Callable[[bytes], bool]:
    """Return what tells from a line whether it may be an event of this type, without parsing it."""
    mark = b'"event":' + orjson.dumps(event_type) + b","

    def may_be(line: bytes) -> bool:
        # A line that isn't written as ours, by hand say, is looked into.
        return mark in line or not line.startswith(b'{"timestamp":"')

    return may_be


def read_lines_from(
    files: list[tuple[Path, Any]], first: Position
) -> Iterator[tuple[Position, bytes, Path]]:
    """Yield the lines of a journal from an event on, with their positions and files.

    A file is not read through for it: events are sorted, so the place is found by halving.

    Args:
        files: The files, in order.
        first: The attempt and `seq` to begin with.
    """
    starts = [find_position(lines.peek()) for _, lines in files]
    for index, (path, lines) in enumerate(files):
        following = [start for start in starts[index + 1 :] if start is not None][:1]
        if following and following[0] <= first:
            continue  # all of it is older
        if path.suffix != ".zst":
            _seek(lines, first)
        for line in lines:
            position = find_position(line)
            if position is not None and position >= first and line.endswith(b"\n"):
                yield position, line, path


def parse(line: bytes, where: str) -> dict[str, Any]:
    """Return the event of a line, NaN and infinities in their places.

    Raises:
        RunError: It is no JSON.
    """
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RunError(
            f"{where}: this is no event: {error}. Look with: logflume doctor RUN"
        ) from error
    return restore(event)


def _seek(file: Any, first: Position) -> None:
    """Go to a line at or before the first that is wanted."""
    low, high = 0, file.seek(0, io.SEEK_END)
    while high - low > _STEP_BYTES:
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


def restore(event: dict[str, Any]) -> dict[str, Any]:
    """Put the NaN and infinities of an event of the journal back in their places."""
    for name, text in event.pop("nonfinite", {}).items():
        field, _, index = name.rpartition(".")
        # The name may be that of a field with a dot, or a place in the list of another field.
        if name in event and event[name] is None:
            event[name] = float(text)
        else:
            event[field][int(index)] = float(text)
    return event


OnProgress: TypeAlias = Callable[[int], None]
"""Is told how many bytes of journal were read since it was called last."""

TORN = "a torn last line"

_UNREADABLE = "the rest of the file can't be read"

_TELL_BYTES = 1 << 20


class JournalLine(NamedTuple):
    """A line of a journal.

    Attributes:
        path: Its file.
        line: The line, with its newline.
        event: The event, with NaN and infinities in their places; None if it is none.
        fault: Why it is none; empty if all is well.
    """

    path: Path
    line: bytes
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
    tell: OnProgress = ignore_progress,
    is_wanted: Callable[[bytes], bool] | None = None,
) -> Iterator[JournalLine]:
    """Yield the lines of a writer's journal, as its files are at this moment.

    Args:
        writer: Whose journal.
        run: Whose events there should be; None takes those of all.
        tell: Told how much was read.
        is_wanted: Tells lines that are worth parsing; None: all.
    """
    with ExitStack() as stack:
        for path, lines in open_files(writer.journals, stack):
            wanted = lines if is_wanted is None else filter(is_wanted, lines)
            yield from _read_file(path, wanted, run, tell)


def _read_file(
    path: Path, lines: Iterable[bytes], run: RunInfo | None, tell: OnProgress
) -> Iterator[JournalLine]:
    import pyarrow as pa

    # How far a compressed file was read can't be told, but at its end.
    is_compressed, read_bytes = path.suffix == ".zst", 0
    try:
        for line in lines:
            yield _read_line(path, line, run)
            read_bytes += len(line)
            if read_bytes >= _TELL_BYTES and not is_compressed:
                tell(read_bytes)
                read_bytes = 0
    except (OSError, pa.ArrowException):
        yield JournalLine(path, b"", None, _UNREADABLE)
    tell(path.stat().st_size if is_compressed and path.exists() else read_bytes)


def _read_line(path: Path, line: bytes, run: RunInfo | None) -> JournalLine:
    if not line.endswith(b"\n"):
        return JournalLine(path, line, None, TORN)
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return JournalLine(path, line, None, "lines that are no JSON")
    fault = find_fault(event, run)
    if fault is None and not put_back_nonfinite(event):
        fault = "events that are not valid against the schema"
    return JournalLine(path, line, event if fault is None else None, fault or "")


_INVALID = "events that are not valid against the schema"

_RESERVED = frozenset(EventBase.__struct_fields__)

_PLAIN = (str, int, float, bool, type(None))


def find_fault(event: Any, run: RunInfo | None) -> str | None:
    """Return what is wrong with what a line of a journal holds; None if it is a valid event.

    Args:
        event: The line's JSON, `nonfinite` as it is there.
        run: Whose journal it is; None if that isn't known yet.
    """
    if not isinstance(event, dict):
        return "lines that are no event"
    try:
        msgspec.convert(event, CATALOGUE.get(event.get("event"), EventBase))  # type: ignore[arg-type]
    except (msgspec.ValidationError, TypeError):
        return _INVALID
    if not (_has_sound_head(event) and _has_plain_fields(event)):
        return _INVALID
    if run is None:
        return None
    owner = (event["run"], event["rank"], event.get("process"))
    return None if owner == (run.run, run.rank, run.process) else "events of another journal"


def put_back_nonfinite(event: dict[str, Any]) -> bool:
    """Put NaN and infinities in their places, and keep `nonfinite`; False if that can't be done."""
    nonfinite = event.get("nonfinite")
    if nonfinite is None:
        return True
    try:
        restore(event)
    except (KeyError, IndexError, ValueError, TypeError):
        return False
    event["nonfinite"] = nonfinite
    return True


def _has_sound_head(event: dict[str, Any]) -> bool:
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
        _is_fine(value, event_type, name) for name, value in event.items() if name not in _RESERVED
    )


def _is_fine(value: Any, event_type: str, name: str) -> bool:
    kind = _kind(event_type, name)
    if kind is not None:
        return coerce(value, kind, False) is not MISFIT
    return isinstance(value, _PLAIN) or (
        isinstance(value, list) and all(isinstance(item, _PLAIN) for item in value)
    )


_kind = lru_cache(maxsize=65_536)(declared_kind)

_PIECE_BYTES = 1 << 18
"""Lines that are looked at for one piece."""

# The reserved names come first, and a quote inside of a text has a backslash: the first match
# is the event's own.
_KEY = re.compile(rb'"run":"([^"]*)","attempt":(\d+),"rank":(\d+),"seq":(\d+)[,}]')


def read_pieces(
    find: Callable[[], list[Path]], run: RunInfo, first: Position
) -> Iterator[list[Event]]:
    """Yield the events of a run and rank from one on, in pieces of about 256 KB of the files.

    A line that can't be read is left out.

    Args:
        find: Returns the files, in order.
        run: Whose events.
        first: The attempt and `seq` to begin with.
    """
    with ExitStack() as stack:
        files = [lines for _, lines in open_files(find, stack)]
        starts = [_find_start(lines, run) for lines in files]
        for index, lines in enumerate(files):
            following = [start for start in starts[index + 1 :] if start is not None][:1]
            if following and following[0] <= first:
                continue  # all of it is older
            while piece := lines.readlines(_PIECE_BYTES):
                yield [event for line in piece if (event := _read(line, run, first)) is not None]


def _find_start(lines: Any, run: RunInfo) -> Position | None:
    """Return the place of the file's first event of this run, if it is near the start."""
    return _find_place(lines.peek(), run)


def _read(line: bytes, run: RunInfo, first: Position) -> Event | None:
    place = _find_place(line, run)
    if place is None or place < first or not line.endswith(b"\n"):
        return None
    try:
        return restore(orjson.loads(line))
    except orjson.JSONDecodeError:
        return None


def _find_place(line: bytes, run: RunInfo) -> Position | None:
    match = _KEY.search(line)
    if match is None or match[1].decode() != run.run or int(match[3]) != run.rank:
        return None
    return int(match[2]), int(match[4])
