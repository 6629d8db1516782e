"""The journal of one writer: its files, opened at one moment, and read from any event on."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from logflume.exceptions import RunError
from logflume.protocols import Position

__all__ = [
    "find_position",
    "is_of",
    "open_files",
    "parse",
    "read_events",
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
