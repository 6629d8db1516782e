"""A journal on its own: whether all lines are events, each once, and none is missing."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.model import Config
from logflume.exceptions import RunError
from logflume.formats.atomic import SUFFIX, clean_up
from logflume.formats.journal import TORN, JournalLine
from logflume.formats.positions import SeqRanges
from logflume.maintenance.sink_files import SinkFile, has_all_events
from logflume.runs.files import Writer
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState

__all__ = ["FIX", "Issue", "JournalCheck", "check_state", "find_stale_files", "remove_stale_files"]


FIX = "run with --fix"


class Issue(msgspec.Struct, frozen=True):
    """Something that is not as it should be.

    Attributes:
        file: The file or folder, within the run's folder.
        what: What is wrong with it.
        count: How many: events, rows, lines, bytes, files.
        do: What to do about it.
    """

    file: str
    what: str
    count: int
    do: str


_SHOWN = 5

_LOST = "nothing brings them back; outputs that have them keep them"

_TAKEN_OUT = "run with --fix: it is taken out and kept in a hidden file beside; the rest stays"


class JournalCheck:
    """Takes the lines of a journal one by one.

    Args:
        writer: Whose journal.
        configs: The configurations by attempt: a gap is no loss where some events go elsewhere.
        is_live: Whether it is being written: then a last line may be half there.

    Attributes:
        damaged: The files that have lines which are no events, or are there already.
    """

    def __init__(self, writer: Writer, configs: Mapping[int, Config], is_live: bool) -> None:
        self.damaged: set[Path] = set()
        self._writer = writer
        self._configs = configs
        self._is_live = is_live
        self._has_lost_lines = False
        self._seen = SeqRanges()
        self._faults: Counter[tuple[Path, str]] = Counter()
        self._started: set[int] = set()
        self._ended: set[int] = set()

    @property
    def latest_attempt(self) -> int:
        """The highest attempt; -1 if there is no event."""
        return self._seen.latest_attempt

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing, as far as the journal tells."""
        return not self._has_lost_lines and not self._losses()

    def take(self, entry: JournalLine) -> dict[str, Any] | None:
        """Return the event of a line, if it is one and was not there before."""
        event = entry.event
        if event is None:
            if entry.fault != TORN:
                self.damaged.add(entry.path)
                self._has_lost_lines = True
            if entry.fault != TORN or not self._is_live:
                self._faults[(entry.path, entry.fault)] += 1
            return None
        if not self._seen.add(event["attempt"], event["seq"]):
            self.damaged.add(entry.path)
            self._faults[(entry.path, "events that are there twice")] += 1
            return None
        if event["event"] == "run_started":
            self._started.add(event["attempt"])
        elif event["event"] == "run_finished":
            self._ended.add(event["attempt"])
        return event

    def lacks_end(self, attempt: int) -> bool:
        """Whether the journal has the start of an attempt, but not its end."""
        return attempt in self._started - self._ended

    def issues(self) -> list[Issue]:
        """Return what is wrong."""
        faults = [
            Issue(path.name, fault, count, FIX if fault == TORN else _TAKEN_OUT)
            for (path, fault), count in sorted(self._faults.items())
        ]
        return faults + self._losses()

    def _losses(self) -> list[Issue]:
        name = f"events{self._writer.suffix}.jsonl"
        return [
            Issue(name, _say_gaps(attempt, gaps), sum(e - s + 1 for s, e in gaps), _LOST)
            for attempt, gaps in sorted(self._seen.gaps().items())
            if self._has_all(attempt)
        ]

    def _has_all(self, attempt: int) -> bool:
        config = self._configs.get(attempt) or self._configs.get(max(self._configs, default=0))
        return config is None or has_all_events(config)


def _say_gaps(attempt: int, gaps: list[tuple[int, int]]) -> str:
    shown = ", ".join(f"{s}-{e}" if s < e else str(s) for s, e in gaps[:_SHOWN])
    more = f" and {len(gaps) - _SHOWN:,} more gaps" if len(gaps) > _SHOWN else ""
    return f"events are missing: attempt {attempt}, seq {shown}{more}"


_WORK = (".tmp", ".damaged", SUFFIX)


def find_stale_files(folder: Path, outputs: Sequence[SinkFile]) -> list[Issue]:
    """Return what is left in the folder of a run that nobody writes."""
    return [
        Issue(path.relative_to(folder).as_posix(), "left by a crash, or set aside", 1, FIX)
        for path in [*_find_files(folder), *_find_work(folder, outputs, _WORK)]
    ]


def remove_stale_files(folder: Path, outputs: Sequence[SinkFile], is_whole: bool) -> None:
    """Remove what is left; nobody writes the run.

    Args:
        folder: The run's folder.
        outputs: Its outputs.
        is_whole: Whether the journal is: else parts that were set aside stay.

    Raises:
        OSError: Something can't be removed.
    """
    for output in outputs:
        clean_up(output.path)
    ends = _WORK if is_whole else (".tmp",)
    for path in [*_find_files(folder), *_find_work(folder, outputs, ends)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _find_files(folder: Path) -> list[Path]:
    """Return unfinished compressions and states, and rotated files that were compressed, too."""
    compressed = {path.name.removesuffix(".zst") for path in folder.glob("events*.jsonl.zst")}
    return sorted(
        [
            *folder.glob(".events*.zst.tmp"),
            *folder.glob("run*.json.tmp"),
            *(folder / name for name in compressed if (folder / name).exists()),
        ]
    )


def _find_work(folder: Path, outputs: Sequence[SinkFile], ends: Sequence[str]) -> list[Path]:
    others = [output.path for output in outputs if output.kind != "jsonl"]
    paths = [path.with_name(f".{path.name}{end}") for path in others for end in ends]
    return [path for path in paths if path.is_relative_to(folder) and path.exists()]


ENDED = frozenset({"finished", "failed", "interrupted", "terminated"})


def check_state(writer: Writer, run: RunInfo, journal: JournalCheck, is_live: bool) -> list[Issue]:
    """Return what is wrong with the state of a run, a rank or an attempt beside another.

    Args:
        writer: Whose state.
        run: Who that is, as the journal tells.
        journal: What the journal tells.
        is_live: Whether the run is being written.
    """
    name = f"run{writer.suffix}.json"
    if run.process is not None:
        return []
    try:
        # Not `writer.state`, which makes do without a state that is damaged.
        state = RunState.load(writer.folder / name)
    except RunError:
        return [Issue(name, "the state of the run can't be read", 1, FIX)]
    if state is None:
        return [] if is_live else [Issue(name, "the state of the run is missing", 1, FIX)]
    if (state.run, state.attempt) != (run.run, max(journal.latest_attempt, state.attempt)):
        return [Issue(name, "another run or attempt than in the journal", 1, FIX)]
    if state.status == "running" and not is_live:
        what = "it says 'running', but nobody writes the run: it was killed"
        return [Issue(name, what, 1, FIX)]
    if state.status in ENDED and journal.lacks_end(state.attempt):
        what = f"attempt {state.attempt} has {state.status}, but its end is missing"
        return [Issue(f"events{writer.suffix}.jsonl", what, 1, "nothing brings it back")]
    return []
