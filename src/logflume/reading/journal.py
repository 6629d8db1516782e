"""The journals of a run: one a rank and forked child, each in files that follow each other."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from logflume.exceptions import RunError

__all__ = ["Journals", "find_journals", "open_files", "restore"]


class Journals:
    """Every event of a run, each time from the beginning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            for path, lines in open_files(lambda: find_journals(self._folder), stack):
                yield from _read_events(path, lines)


def find_journals(folder: Path) -> list[Path]:
    """Return the files in order; of one that is just being compressed the result, if there."""
    names = {path.name for path in folder.glob("events*.jsonl*")}
    return sorted((folder / n for n in names if f"{n}.zst" not in names), key=_order)


def _order(path: Path) -> tuple[str, int, str]:
    """Sort rotated files before the one in use: events.000001, events.000002, events."""
    stem, _, rest = path.name.partition(".")
    number = rest.partition(".")[0]
    return (stem, int(number) if number.isdecimal() else 1 << 62, path.name)


def open_files(find: Callable[[], list[Path]], stack: ExitStack) -> list[tuple[Path, Any]]:
    """Open all files of one moment: a run that is being written may rotate between two of them."""
    while True:
        paths = find()
        with ExitStack() as opened:
            try:
                files = [(path, opened.enter_context(_open(path))) for path in paths]
            except FileNotFoundError:
                continue
            if find() == paths:
                stack.push(opened.pop_all())
                return files


def _read_events(path: Path, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RunError(f"{path}, line {number}: this is no event: {error}") from error
        yield restore(event)


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
