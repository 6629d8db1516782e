"""Reading a run back, while it is written and afterwards."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import orjson

from logflume.current import current_events
from logflume.exceptions import RunError
from logflume.state import RunState

if TYPE_CHECKING:
    import pyarrow as pa

Attempts: TypeAlias = Literal["current", "all"]

__all__ = ["Attempts", "Run", "open_files", "open_run", "restore"]


class Run:
    """The events of a run, from its journals: all ranks, rotated files included.

    Args:
        folder: The run's folder.
        attempts: `current` for the latest attempt of each step, `all` for everything.
    """

    def __init__(self, folder: Path, attempts: Attempts = "current") -> None:
        self.folder = folder
        self.attempts = attempts

    @property
    def info(self) -> dict[str, Any]:
        """The `run_started` event of the latest attempt; empty if there is none yet."""
        started = [e for e in self if e["event"] == "run_started" and "schema_version" in e]
        return max(started, key=lambda e: int(e["attempt"]), default={})

    def types(self) -> dict[str, int]:
        """Return how many events of each type there are."""
        counts: dict[str, int] = {}
        for event in self:
            counts[event["event"]] = counts.get(event["event"], 0) + 1
        return counts

    def events(self, event_type: str) -> pa.Table:
        """Return the events of a type as an Arrow table, one column a field.

        NaN and infinities are restored. `.to_pandas()` and `.to_pylist()` lead on from there.
        """
        import pyarrow as pa

        events = [event for event in self if event["event"] == event_type]
        names = dict.fromkeys(name for event in events for name in event)
        return pa.table({name: pa.array([e.get(name) for e in events]) for name in names})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the events, file by file; a line that is still being written is left out.

        Raises:
            RunError: A line is no JSON: the file was damaged, or changed by hand.
        """
        journals = _Journals(self.folder)
        # Going through a journal twice takes twice as long: only where there is a need.
        is_continued = self.attempts == "current" and _is_continued(self.folder)
        return current_events(journals) if is_continued else iter(journals)


class _Journals:
    """Every event of a run, each time from the beginning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            for path, lines in open_files(lambda: _find_journals(self._folder), stack):
                yield from _read_events(path, lines)


def open_run(path: str | os.PathLike[str], *, attempts: Attempts = "current") -> Run:
    """Open a run for reading.

    Args:
        path: The run's folder: `logs/latest`, `logs/20261123-141502-a1b2`.
        attempts: Of a run that was continued: `current` for the latest attempt of each step,
            `all` for everything.

    Raises:
        RunError: There is no journal.
        ValueError: `attempts` is neither of the two.
    """
    if attempts not in get_args(Attempts):
        raise ValueError(f"attempts is 'current' or 'all', not {attempts!r}")
    folder = Path(path)
    if not any(folder.glob("events*.jsonl*")):
        raise RunError(f"{folder}: there is no run here (no events.jsonl)")
    return Run(folder, attempts)


def _is_continued(folder: Path) -> bool:
    """Whether there may be several attempts; a run whose state is missing may have any."""
    states = [RunState.load(path) for path in folder.glob("run*.json")]
    return not states or any(state is None or state.attempt > 0 for state in states)


def _order(path: Path) -> tuple[str, int, str]:
    """Sort rotated files before the one in use: events.000001, events.000002, events."""
    stem, _, rest = path.name.partition(".")
    number = rest.partition(".")[0]
    return (stem, int(number) if number.isdecimal() else 1 << 62, path.name)


def _find_journals(folder: Path) -> list[Path]:
    """Return the files in order; of one that is just being compressed the result, if there."""
    names = {path.name for path in folder.glob("events*.jsonl*")}
    return sorted((folder / n for n in names if f"{n}.zst" not in names), key=_order)


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
