"""The lines of a journal, one after the other, and what is wrong with those that are no events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson

from logflume.reading.journal import open_files
from logflume.reading.writer import Writer, find_writers
from logflume.rebuilding.faults import find_fault, put_back_nonfinite
from logflume.run import RunInfo

__all__ = ["TORN", "Entry", "Tell", "journal_bytes", "read_entries", "tell_nobody"]

Tell: TypeAlias = Callable[[int], None]
"""Is told how many bytes of journal were read since it was called last."""

TORN = "a torn last line"
_UNREADABLE = "the rest of the file can't be read"
_TELL_BYTES = 1 << 20


class Entry(NamedTuple):
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


def tell_nobody(_size_bytes: int) -> None:
    """Do nothing."""


def journal_bytes(folder: Path) -> int:
    """Return the size of all journal files of a run."""
    paths = (path for writer in find_writers(folder) for path in writer.journals())
    return sum(path.stat().st_size for path in paths if path.exists())


def read_entries(
    writer: Writer,
    run: RunInfo | None,
    tell: Tell = tell_nobody,
    is_wanted: Callable[[bytes], bool] | None = None,
) -> Iterator[Entry]:
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
    path: Path, lines: Iterable[bytes], run: RunInfo | None, tell: Tell
) -> Iterator[Entry]:
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
        yield Entry(path, b"", None, _UNREADABLE)
    tell(path.stat().st_size if is_compressed and path.exists() else read_bytes)


def _read_line(path: Path, line: bytes, run: RunInfo | None) -> Entry:
    if not line.endswith(b"\n"):
        return Entry(path, line, None, TORN)
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return Entry(path, line, None, "lines that are no JSON")
    fault = find_fault(event, run)
    if fault is None and not put_back_nonfinite(event):
        fault = "events that are not valid against the schema"
    return Entry(path, line, event if fault is None else None, fault or "")
