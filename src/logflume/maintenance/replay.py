"""Outputs made anew from the journal, through the same sinks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import msgspec

from logflume.exceptions import RunError
from logflume.formats.atomic import atomic_replacement, size_bytes
from logflume.formats.journal import TORN, OnProgress, ignore_progress, read_journal_lines
from logflume.formats.parquet import is_part_name
from logflume.formats.positions import SeqRanges
from logflume.formats.tfevents import find_event_files
from logflume.maintenance.sink_files import (
    KINDS,
    SinkFile,
    find_sink_files,
    hold,
    identify,
    load_configs,
    write_to,
)
from logflume.protocols import Event
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo

__all__ = ["Rebuilt", "keep_foreign_files", "read_events", "rebuild", "replay"]


_PIECE = 1_024
"""Events that are written at once."""


class Rebuilt(msgspec.Struct):
    """An output that was made anew.

    Attributes:
        path: Where it is.
        events: How many events it was given.
        size_bytes: How large it is.
    """

    path: Path
    events: int
    size_bytes: int


def replay(
    folder: Path, kinds: Sequence[str], out: Path | None = None, tell: OnProgress = ignore_progress
) -> list[Rebuilt]:
    """Make outputs of a run anew, for every rank and attempt.

    Memory stays bounded. What is in the run's folder is replaced in one step, when the new one is
    complete.

    Args:
        folder: The run's folder.
        kinds: Registered kinds of sinks: csv, parquet, tensorboard, console (the log file), jsonl.
        out: Where to make them; None replaces those in the run's folder.
        tell: Told how many bytes of journal were read.

    Raises:
        RunError: The run is being written, an output is there already or can't be written, or the
            journal is damaged.
    """
    folder = folder.resolve()
    _check(kinds, in_place=out is None)
    made: list[Rebuilt] = []
    with ExitStack() as stack:
        writers = find_writers(folder)
        if out is None:
            stack.enter_context(hold(folder, writers))
        for writer in writers:
            run = identify(writer)
            if run is not None and run.process is None:
                outputs = find_sink_files(run, folder, load_configs(writer, run))
                places = [(o, _place(o, out)) for o in outputs if o.kind in kinds]
                made += rebuild(writer, run, places, tell)
    return made


def rebuild(
    writer: Writer, run: RunInfo, places: Sequence[tuple[SinkFile, Path]], tell: OnProgress
) -> list[Rebuilt]:
    """Make outputs of one writer anew, in one pass over its journal.

    Args:
        writer: Whose journal.
        run: Who that is.
        places: The outputs, and where each is to be.
        tell: Told how much was read.

    Raises:
        RunError: An output can't be written, or the journal is damaged.
    """
    try:
        with ExitStack() as stack:
            copies = [
                _Copy(o, path, stack.enter_context(atomic_replacement(path))) for o, path in places
            ]
            for copy in copies:
                stack.callback(copy.close)
            for events in read_events(writer, run, tell):
                for copy in copies:
                    copy.write(events)
            for copy in copies:
                copy.finish()
    except OSError as error:
        raise RunError(f"{writer.folder}: this can't be made anew: {error}") from error
    return [Rebuilt(copy.path, copy.events, size_bytes(copy.path)) for copy in copies]


def read_events(
    writer: Writer, run: RunInfo, tell: OnProgress = ignore_progress
) -> Iterator[list[Event]]:
    """Yield the events of a journal in pieces, each of one attempt.

    A torn last line is left out.

    Raises:
        RunError: A line is no event.
    """
    events = _only_events(writer, run, tell)
    for _, of_attempt in groupby(events, lambda event: event["attempt"]):
        while piece := list(islice(of_attempt, _PIECE)):
            yield piece


def _only_events(writer: Writer, run: RunInfo, tell: OnProgress) -> Iterator[Event]:
    seen = SeqRanges()
    for entry in read_journal_lines(writer, run, tell):
        if entry.event is None and entry.fault != TORN:
            raise RunError(
                f"{entry.path}: {entry.fault}. Look with: logflume doctor {writer.folder}; "
                "its --fix takes out what can't be read"
            )
        if entry.event is not None and seen.add(entry.event["attempt"], entry.event["seq"]):
            yield entry.event


class _Copy:
    """An output that is being made anew. Each attempt has a sink of its own, as it had."""

    def __init__(self, output: SinkFile, path: Path, staged_path: Path) -> None:
        self.path = path
        self.events = 0
        self._output = output
        self._staged = staged_path
        self._attempt: int | None = None
        self._sink: Any = None

    def write(self, events: Sequence[Event]) -> None:
        """Write those that belong here, of events of one attempt."""
        wanted = [event for event in events if self._output.wants(event)]
        if not wanted:
            return
        attempt = int(wanted[0]["attempt"])
        if self._sink is None or attempt != self._attempt:
            self.close()
            self._sink = self._output.open(self._staged, attempt)
            self._attempt = attempt
        write_to(self._sink, wanted, str(self.path))
        self.events += len(wanted)

    def close(self) -> None:
        """Close the sink. Called again it does nothing."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def finish(self) -> None:
        """Close the sink, and take along the files that are not ours."""
        self.close()
        if self.path.is_dir():
            keep_foreign_files(self._output, self.path, self._staged)


def _check(kinds: Sequence[str], in_place: bool) -> None:
    allowed = [kind for kind in KINDS if kind != "jsonl" or not in_place]
    for kind in kinds:
        if kind not in allowed:
            more = " (jsonl: only with --out)" if kind == "jsonl" else ""
            raise RunError(f"{kind!r} can't be made anew; allowed: {', '.join(allowed)}{more}")


def _place(output: SinkFile, out: Path | None) -> Path:
    """Return where an output is made.

    Raises:
        RunError: Something is there that must stay.
    """
    if out is not None:
        path = out / (output.path.name if output.is_shared else output.label)
        if path.exists():
            raise RunError(f"{path} exists: choose another folder, or remove it")
        return path
    if output.is_shared:
        raise RunError(
            f"{output.path} is outside of the run's folder, and may hold other runs: "
            "make it elsewhere with --out"
        )
    return output.path


def keep_foreign_files(output: SinkFile, old: Path, new: Path) -> None:
    """Put the files of strangers into the folder that takes the place of the old one.

    Raises:
        OSError: One can't be copied.
    """
    for path in _strangers(output, old):
        target = new / path.relative_to(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:  # not every file system has hard links
            shutil.copy2(path, target)


def _strangers(output: SinkFile, folder: Path) -> Iterator[Path]:
    ours = {file.path for file in find_event_files(folder) if file.is_of(output.run)}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if not path.is_file() or path in ours or inside.parts[0].startswith("."):
            continue
        if output.kind != "parquet" or len(inside.parts) != 2 or not is_part_name(path.name):
            yield path
