"""A journal on its own: whether all lines are events, each once, and none is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logflume.config.model import Config
from logflume.reading.writer import Writer
from logflume.rebuilding.entries import TORN, Entry
from logflume.rebuilding.finding import FIX, Finding
from logflume.rebuilding.identity import has_all_events
from logflume.rebuilding.seen import Seen

__all__ = ["JournalCheck"]

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
        self._seen = Seen()
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

    def take(self, entry: Entry) -> dict[str, Any] | None:
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

    def findings(self) -> list[Finding]:
        """Return what is wrong."""
        faults = [
            Finding(path.name, fault, count, FIX if fault == TORN else _TAKEN_OUT)
            for (path, fault), count in sorted(self._faults.items())
        ]
        return faults + self._losses()

    def _losses(self) -> list[Finding]:
        name = f"events{self._writer.suffix}.jsonl"
        return [
            Finding(name, _say_gaps(attempt, gaps), sum(e - s + 1 for s, e in gaps), _LOST)
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
