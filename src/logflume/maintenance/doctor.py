"""Read-only check of a run: every file is compared with the journal."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
import psutil

from logflume.exceptions import RunError
from logflume.formats.journal import (
    OnProgress,
    batch_by_attempt,
    ignore_progress,
    read_journal_lines,
)
from logflume.maintenance.media_check import NamedMedia, check_media, find_media_names
from logflume.maintenance.output_check import OutputCheck
from logflume.maintenance.sink_files import (
    SinkFile,
    find_sink_files,
    has_all_events,
    identify,
    load_configs,
    note_unchecked,
    select_sink_files,
)
from logflume.maintenance.verify import FIX, Issue, JournalCheck, check_state, find_stale_files
from logflume.protocols import Event
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo

__all__ = [
    "CheckedSinkFile",
    "CheckedWriter",
    "Note",
    "check_writer",
    "diagnose",
    "ignore_note",
    "is_live",
]


_ADDS = (
    "--fix only adds missing events, because the journal is incomplete and this may be the only "
    "copy. To rebuild the sink file from the journal alone: logflume replay"
)
_ADDS_TO_SHARED = "--fix only adds missing events, because other runs may write there, too"


class CheckedSinkFile(NamedTuple):
    """The result of checking a sink file.

    Attributes:
        sink_file: The sink file.
        issues: What is wrong with it.
        unknown: Number of its events that are not in the journal.
        is_readable: Whether all of it could be read.
    """

    sink_file: SinkFile
    issues: list[Issue]
    unknown: int
    is_readable: bool


class CheckedWriter(NamedTuple):
    """The result of checking the files of one writer.

    Attributes:
        writer: The writer.
        run: The writer's identity; None if the journal has no valid event.
        journal: The check of the journal.
        sink_files: The results for the sink files.
        other_issues: What is wrong with other files.
        media: The media files that the journal names.
    """

    writer: Writer
    run: RunInfo | None
    journal: JournalCheck
    sink_files: list[CheckedSinkFile]
    other_issues: list[Issue]
    media: NamedMedia

    @property
    def issues(self) -> list[Issue]:
        """Everything that is wrong."""
        of_sink_files = [
            self._advise(checked, issue) for checked in self.sink_files for issue in checked.issues
        ]
        return [*self.journal.issues(), *of_sink_files, *self.other_issues]

    @property
    def is_complete(self) -> bool:
        """Whether neither the journal nor a sink file shows that the journal has lost events."""
        return self.journal.is_complete and not any(checked.unknown for checked in self.sink_files)

    def can_rebuild(self, checked: CheckedSinkFile) -> bool:
        """Whether a sink file can be replaced without a loss: the journal has all its events."""
        is_covered = self.is_complete or (checked.is_readable and not checked.unknown)
        return is_covered and not checked.sink_file.is_shared

    def _advise(self, checked: CheckedSinkFile, issue: Issue) -> Issue:
        """Return the issue of a sink file with the advice that works for it."""
        if issue.do != FIX or self.can_rebuild(checked):
            return issue
        advice = _ADDS_TO_SHARED if checked.sink_file.is_shared else _ADDS
        return msgspec.structs.replace(issue, do=advice)


Note: TypeAlias = Callable[[str], None]
"""Called with a line about something that is not checked."""


def ignore_note(_line: str) -> None:
    """Do nothing."""


def diagnose(
    folder: Path,
    on_progress: OnProgress = ignore_progress,
    outside: Collection[Path] = (),
    note: Note = ignore_note,
    *,
    processes: int | None = 1,
    initializer: Callable[[], object] | None = None,
) -> list[Issue]:
    """Check a run, and return its issues.

    In a run that is being written, events that are not written yet are not an issue.

    Args:
        folder: The run's folder.
        on_progress: Called with the number of bytes of journal that were read since the last call.
        outside: Sink files outside the run's folder to include. Others are left alone, because only
            the journal names their paths.
        note: Called with a line about each sink file that is not checked.
        processes: How many processes check the writers; None: one for each core, if there is enough
            to read. They are spawned, so a script that calls this needs a `__main__` guard.
        initializer: Called first in each of these processes.

    Returns:
        The issues; empty if everything is in order.

    Raises:
        RunError: The folder is not a run.
    """
    folder = folder.resolve()
    writers = find_writers(folder)
    if not writers:
        raise RunError(f"{folder}: there is no run here (no events.jsonl)")
    processes = _count_processes(writers) if processes is None else processes
    issues: list[Issue] = []
    media: list[NamedMedia] = []
    if processes == 1:
        for writer in writers:
            checked = check_writer(writer, on_progress, is_live(writer), outside, note)
            issues += checked.issues
            media.append(checked.media)
        return issues + check_media(folder, media)
    # Not forked: this process may have threads.
    context = multiprocessing.get_context("spawn")
    chunk = max(1, len(writers) // (8 * processes))
    with ProcessPoolExecutor(processes, context, initializer) as pool:
        for result in pool.map(_check, writers, repeat(outside), chunksize=chunk):
            issues += result.issues
            media.append(result.media)
            on_progress(sum(result.read_bytes))
            for line in result.notes:
                note(line)
    return issues + check_media(folder, media)


_LEAST_BYTES = 32 * 2**20
"""Minimum size of the journals: for less, starting the processes takes longer than the check."""


def _count_processes(writers: Sequence[Writer]) -> int:
    """Return the number of processes to check writers with; 1 if more don't pay off."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = (f"{writer.folder}/{name}" for writer in writers for name in writer.listed or ())
    size_bytes = sum(os.stat(name).st_size for name in names if os.path.exists(name))  # noqa: PTH110, PTH116
    return min(cores or 1, len(writers)) if size_bytes >= _LEAST_BYTES else 1


class _Result(NamedTuple):
    """The part of a `CheckedWriter` that another process can send, with its notes and progress."""

    issues: list[Issue]
    media: NamedMedia
    notes: list[str]
    read_bytes: list[int]


def _check(writer: Writer, outside: Collection[Path]) -> _Result:
    notes: list[str] = []
    read_bytes: list[int] = []
    checked = check_writer(writer, read_bytes.append, is_live(writer), outside, notes.append)
    return _Result(checked.issues, checked.media, notes, read_bytes)


def check_writer(
    writer: Writer,
    on_progress: OnProgress,
    is_live: bool,
    outside: Collection[Path] = (),
    note: Note = ignore_note,
) -> CheckedWriter:
    """Check the files of one writer.

    Args:
        writer: The writer.
        on_progress: Called with the number of bytes of journal that were read since the last call.
        is_live: Whether a process is writing the files.
        outside: As for `diagnose`.
        note: As for `diagnose`.
    """
    run = identify(writer)
    if run is None:
        nothing, issues = JournalCheck(writer, {}, is_live), _no_events(writer, is_live)
        return CheckedWriter(writer, None, nothing, [], issues, NamedMedia(set(), not issues))
    configs = load_configs(writer, run, note)
    note_unchecked(configs, note)
    found = [] if run.process is not None else find_sink_files(run, writer.folder, configs)
    sink_files = select_sink_files(found, outside, note)
    # Sink files are scanned first, so that the journal of a live run has all their events.
    checks = [(file, OutputCheck(file, is_live)) for file in sink_files if _should_check(file)]
    journal = JournalCheck(writer, configs, is_live)
    lines = read_journal_lines(writer, run, on_progress)
    names: set[str] = set()

    def valid_events() -> Iterator[Event]:
        for line in lines:
            if (event := journal.add(line)) is not None:
                find_media_names(line.raw, names)
                yield event

    for events in batch_by_attempt(valid_events()):
        for _, check in checks:
            check.compare(events)
    results = [
        CheckedSinkFile(file, check.issues(), check.unknown, check.is_readable)
        for file, check in checks
    ]
    state = check_state(writer, run, journal, is_live)
    is_whole = not is_live and journal.is_complete and all(map(has_all_events, configs.values()))
    media = NamedMedia(names, is_whole)
    checked = CheckedWriter(writer, run, journal, results, state, media)
    if not is_live:
        checked.other_issues.extend(
            find_stale_files(writer.folder, sink_files, checked.is_complete)
        )
    return checked


def _should_check(sink_file: SinkFile) -> bool:
    """Whether a sink file must be checked: it exists, or it should."""
    is_expected = sink_file.is_expected and not sink_file.is_shared
    return sink_file.can_scan and (is_expected or sink_file.path.exists())


def is_live(writer: Writer) -> bool:
    """Whether a process is writing the files.

    A forked child holds no file lock, so the process id in the names of its files decides.
    """
    if writer.process_id is None:
        return writer.is_live
    try:
        return psutil.pid_exists(writer.process_id)
    except OverflowError:  # no system has such an id
        return False


def _no_events(writer: Writer, is_live: bool) -> list[Issue]:
    """Return the issue of a journal without events; live runs and forked children may have none."""
    name = writer.journal_name
    if is_live or (
        writer.process is not None and not any(p.stat().st_size for p in writer.journals())
    ):
        return []
    what = "no line is a valid event" if writer.journals() else "the journal is missing"
    return [Issue(name, what, 1, "can't be recovered without a backup")]
