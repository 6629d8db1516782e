"""What is wrong with a run: every file against its journal. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil

from logflume.exceptions import RunError
from logflume.formats.journal import OnProgress, ignore_progress, read_journal_lines
from logflume.maintenance.csv_check import CsvCheck
from logflume.maintenance.log_check import LogCheck
from logflume.maintenance.parquet_check import ParquetCheck
from logflume.maintenance.sink_files import SinkFile, find_sink_files, identify, load_configs
from logflume.maintenance.tensorboard_check import TensorBoardCheck
from logflume.maintenance.verify import Issue, JournalCheck, check_state, find_stale_files
from logflume.protocols import Event
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo

__all__ = ["Checked", "CheckedSinkFile", "check_writer", "diagnose", "is_live"]

_PIECE = 1_024


class Check(Protocol):
    """An output that is compared with the journal. It was read when it was built."""

    @property
    def unknown(self) -> int:
        """How many events it has that the journal lacks."""

    @property
    def is_readable(self) -> bool:
        """Whether all that it has could be read."""

    def compare(self, events: Sequence[Event]) -> None:
        """Look for events of one attempt."""

    def issues(self) -> list[Issue]:
        """Return what is wrong. Called once, after all events."""


_CHECKS: dict[str, type[Any]] = {
    "csv": CsvCheck,
    "console": LogCheck,
    "parquet": ParquetCheck,
    "tensorboard": TensorBoardCheck,
}


class CheckedSinkFile(NamedTuple):
    """What was found about an output.

    Attributes:
        output: The output.
        findings: What is wrong with it.
        unknown: How many events it has that the journal lacks.
        is_readable: Whether all that it has could be read.
    """

    output: SinkFile
    issues: list[Issue]
    unknown: int
    is_readable: bool


class Checked(NamedTuple):
    """What was found about the files of one writer.

    Attributes:
        writer: The writer.
        run: Who that is; None where no event tells.
        journal: The journal.
        outputs: The outputs.
        others: What is wrong with the other files.
    """

    writer: Writer
    run: RunInfo | None
    journal: JournalCheck
    outputs: list[CheckedSinkFile]
    others: list[Issue]

    @property
    def issues(self) -> list[Issue]:
        """All that is wrong."""
        of_outputs = [issue for checked in self.outputs for issue in checked.issues]
        return [*self.journal.issues(), *of_outputs, *self.others]

    @property
    def is_whole(self) -> bool:
        """Whether the journal has everything, as far as it and the outputs tell."""
        return self.journal.is_whole and not any(checked.unknown for checked in self.outputs)


def diagnose(folder: Path, tell: OnProgress = ignore_progress) -> list[Issue]:
    """Return what is wrong with a run: nothing, if all is well.

    Of a run that is being written, what is not written yet is not wrong.

    Args:
        folder: The run's folder.
        tell: Told how many bytes of journal were read.

    Raises:
        RunError: There is no run.
    """
    folder = folder.resolve()
    writers = find_writers(folder)
    if not writers:
        raise RunError(f"{folder}: there is no run here (no events.jsonl)")
    found = [check_writer(writer, tell, is_live(writer)) for writer in writers]
    return [issue for checked in found for issue in checked.issues]


def check_writer(writer: Writer, tell: OnProgress, is_live: bool) -> Checked:
    """Check the files of one writer.

    Args:
        writer: The writer.
        tell: Told how many bytes of journal were read.
        is_live: Whether somebody writes them.
    """
    run = identify(writer)
    if run is None:
        return Checked(
            writer, None, JournalCheck(writer, {}, is_live), [], _no_events(writer, is_live)
        )
    configs = load_configs(writer, run)
    outputs = [] if run.process is not None else find_sink_files(run, writer.folder, configs)
    # The outputs are read before the journal, so that a live run has nothing in them that it lacks.
    checks = [(o, _CHECKS[o.kind](o, is_live)) for o in outputs if _is_there(o)]
    journal = JournalCheck(writer, configs, is_live)
    for events in _read(writer, run, journal, tell):
        for _, check in checks:
            check.compare(events)
    found = [CheckedSinkFile(o, c.issues(), c.unknown, c.is_readable) for o, c in checks]
    left = [] if is_live else find_stale_files(writer.folder, outputs)
    return Checked(writer, run, journal, found, check_state(writer, run, journal, is_live) + left)


def _read(
    writer: Writer, run: RunInfo, journal: JournalCheck, tell: OnProgress
) -> Iterator[Sequence[Event]]:
    events = (
        event
        for entry in read_journal_lines(writer, run, tell)
        if (event := journal.take(entry)) is not None
    )
    for _, of_attempt in groupby(events, lambda event: event["attempt"]):
        while piece := list(islice(of_attempt, _PIECE)):
            yield piece


def _is_there(output: SinkFile) -> bool:
    """Whether an output is to be checked: one that should be there, or is."""
    is_expected = output.is_expected and not output.is_shared
    return output.kind in _CHECKS and (is_expected or output.path.exists())


def is_live(writer: Writer) -> bool:
    """Whether somebody writes the files; a forked child holds no lock, but has its id in them."""
    tag = writer.suffix.partition("-pid")[2].partition("-")[0]
    return psutil.pid_exists(int(tag)) if tag.isdecimal() else writer.is_live


def _no_events(writer: Writer, is_live: bool) -> list[Issue]:
    """Say that a journal tells nothing; a run that was just begun, or a child, may have none."""
    name = f"events{writer.suffix}.jsonl"
    if is_live or (
        "-pid" in writer.suffix and not any(p.stat().st_size for p in writer.journals())
    ):
        return []
    what = "no line is an event" if writer.journals() else "the journal is missing"
    return [Issue(name, what, 1, "nothing brings it back, unless there is a copy")]
