"""Checks of a writer's journal, run state and stale files."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.model import Config
from logflume.exceptions import RunError
from logflume.formats.atomic import STAGING_SUFFIX, clean_up
from logflume.formats.journal_lines import TORN, JournalLine
from logflume.formats.positions import PositionSet
from logflume.maintenance.sink_files import SinkFile, has_all_events
from logflume.runs.files import Writer
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState

__all__ = ["FIX", "Issue", "JournalCheck", "check_state", "find_stale_files", "remove_stale_files"]


FIX = "run with --fix"


class Issue(msgspec.Struct, frozen=True):
    """Something that is wrong with a run.

    Attributes:
        file: The file or folder, within the run's folder.
        what: What is wrong with it.
        count: Number of affected events, rows, lines, bytes or files.
        do: What to do about it.
    """

    file: str
    what: str
    count: int
    do: str


_SHOWN_GAPS = 5

_LOST = "can't be recovered; sink files that have these events keep them"

_REMOVABLE = "run with --fix: removes these lines, and keeps the old file as a hidden copy"


class JournalCheck:
    """Checks line by line that a journal has only events, no duplicates and no gaps.

    Args:
        writer: The journal's writer.
        configs: The configuration of each attempt. If some events don't go to the journal, a gap is
            not a loss.
        is_live: Whether a process is writing the journal. If so, the last line may be incomplete.

    Attributes:
        damaged: The files with duplicates, or with lines that are not events.
    """

    def __init__(self, writer: Writer, configs: Mapping[int, Config], is_live: bool) -> None:
        self.damaged: set[Path] = set()
        self._writer = writer
        self._configs = configs
        self._is_live = is_live
        self._has_lost_lines = False
        self._seen = PositionSet()
        self._faults: Counter[tuple[Path, str]] = Counter()
        self._started: set[int] = set()
        self._ended: set[int] = set()

    @property
    def latest_attempt(self) -> int:
        """The highest attempt; -1 if the journal has no event."""
        return self._seen.latest_attempt

    @property
    def is_complete(self) -> bool:
        """Whether the journal shows no loss of events."""
        return not self._has_lost_lines and not self._losses()

    def add(self, line: JournalLine) -> dict[str, Any] | None:
        """Add a line, and return its event; None if it is not a valid event or a duplicate."""
        event = line.event
        if event is None:
            if line.fault != TORN:
                self.damaged.add(line.path)
                self._has_lost_lines = True
            if line.fault != TORN or not self._is_live:
                self._faults[(line.path, line.fault)] += 1
            return None
        if not self._seen.add(event["attempt"], event["seq"]):
            self.damaged.add(line.path)
            self._faults[(line.path, "duplicate events")] += 1
            return None
        if event["event"] == "run_started":
            self._started.add(event["attempt"])
        elif event["event"] == "run_finished":
            self._ended.add(event["attempt"])
        return event

    def is_unfinished(self, attempt: int) -> bool:
        """Whether the journal has the start of an attempt, but not its end."""
        return attempt in self._started - self._ended

    def issues(self) -> list[Issue]:
        """Return what is wrong with the journal."""
        faults = [
            Issue(path.name, fault, count, FIX if fault == TORN else _REMOVABLE)
            for (path, fault), count in sorted(self._faults.items())
        ]
        return faults + self._losses()

    def _losses(self) -> list[Issue]:
        name = self._writer.journal_name
        return [
            Issue(name, _describe_gaps(attempt, gaps), sum(e - s + 1 for s, e in gaps), _LOST)
            for attempt, gaps in sorted(self._seen.gaps().items())
            if self._expects_all(attempt)
        ]

    def _expects_all(self, attempt: int) -> bool:
        """Whether all events of an attempt go to the journal."""
        config = self._configs.get(attempt) or self._configs.get(max(self._configs, default=0))
        return config is None or has_all_events(config)


def _describe_gaps(attempt: int, gaps: list[tuple[int, int]]) -> str:
    shown = ", ".join(f"{s}-{e}" if s < e else str(s) for s, e in gaps[:_SHOWN_GAPS])
    more = f" and {len(gaps) - _SHOWN_GAPS:,} more gaps" if len(gaps) > _SHOWN_GAPS else ""
    return f"events are missing: attempt {attempt}, seq {shown}{more}"


_DAMAGED = ".damaged"
_WORK_SUFFIXES = (".tmp", _DAMAGED, STAGING_SUFFIX)
_KEPT = "kept, because the journal is incomplete; delete it if you don't need what it has"


def find_stale_files(
    folder: Path, sink_files: Sequence[SinkFile], is_complete: bool
) -> list[Issue]:
    """Return the stale files of a run that no process is writing.

    Args:
        folder: The run's folder.
        sink_files: Its sink files.
        is_complete: As for `remove_stale_files`.
    """
    work = _find_work(folder, sink_files, _WORK_SUFFIXES)
    kept = set() if is_complete else {path for path in work if path.name.endswith(_DAMAGED)}
    return [
        Issue(
            path.relative_to(folder).as_posix(),
            "stale file, left by a crash or a repair",
            1,
            _KEPT if path in kept else FIX,
        )
        for path in [*_find_files(folder), *work]
    ]


def remove_stale_files(folder: Path, sink_files: Sequence[SinkFile], is_complete: bool) -> None:
    """Remove the stale files of a run that no process is writing.

    Args:
        folder: The run's folder.
        sink_files: Its sink files.
        is_complete: Whether the journal is complete. If not, damaged parts that were moved away
            are kept.

    Raises:
        OSError: A file can't be removed.
    """
    for sink_file in sink_files:
        clean_up(sink_file.path)
    suffixes = _WORK_SUFFIXES if is_complete else (".tmp",)
    for path in [*_find_files(folder), *_find_work(folder, sink_files, suffixes)]:
        is_folder = path.is_dir() and not path.is_symlink()
        shutil.rmtree(path) if is_folder else path.unlink()


def _find_files(folder: Path) -> list[Path]:
    """Return unfinished files, and rotated files that have a compressed copy."""
    compressed = {path.name.removesuffix(".zst") for path in folder.glob("events*.jsonl.zst")}
    return sorted(
        [
            *folder.glob(".events*.zst.tmp"),
            *folder.glob("run*.json.tmp"),
            *(folder / name for name in compressed if (folder / name).exists()),
        ]
    )


def _find_work(folder: Path, sink_files: Sequence[SinkFile], suffixes: Sequence[str]) -> list[Path]:
    """Return the hidden files and folders next to the sink files."""
    paths = [file.path for file in sink_files if not file.is_journal]
    hidden = [path.with_name(f".{path.name}{suffix}") for path in paths for suffix in suffixes]
    return [path for path in hidden if path.is_relative_to(folder) and path.exists()]


ENDED = frozenset({"finished", "failed", "interrupted", "terminated"})


def check_state(writer: Writer, run: RunInfo, journal: JournalCheck, is_live: bool) -> list[Issue]:
    """Return what is wrong with the run state of a writer.

    Args:
        writer: The writer.
        run: The writer's identity, from the journal.
        journal: The check of the journal, after all its lines.
        is_live: Whether a process is writing the run.
    """
    name = writer.state_name
    if run.process is not None:
        return []
    try:
        # Not `writer.state`, which ignores a damaged state.
        state = RunState.load(writer.folder / name)
    except RunError:
        return [Issue(name, "the run state can't be read", 1, FIX)]
    if state is None:
        return [] if is_live else [Issue(name, "the run state is missing", 1, FIX)]
    if (state.run, state.attempt) != (run.run, max(journal.latest_attempt, state.attempt)):
        return [Issue(name, "the run or attempt differs from the journal", 1, FIX)]
    if state.status == "running" and not is_live:
        what = "the status is 'running', but no process is writing the run: it was killed"
        return [Issue(name, what, 1, FIX)]
    if state.status in ENDED and journal.is_unfinished(state.attempt):
        what = f"attempt {state.attempt} has the status {state.status!r}, but no run_finished event"
        return [Issue(writer.journal_name, what, 1, "can't be recovered")]
    return []
