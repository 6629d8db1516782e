"""One sink behind its guard: what it gets, what it took, and what happens when it fails."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice

from logflume.guard import Failure, attempt, describe
from logflume.protocols import Event, Sink

__all__ = ["Outlet", "Totals"]

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 30.0
BATCH_TRIES = 3
"""After so many failures in a row, held events are tried one at a time."""

EVENT_TRIES = 6
"""After so many, an event that the sink can't take (no `OSError`) is given up."""
MAX_HELD = 65_536
"""Events kept for a sink that fails, until it takes them again."""


class Totals:
    """What became of the events of one sink. At rest, accepted = written + dropped.

    Attributes:
        accepted: Events routed to the sink.
        written: Events it took.
        dropped: Events it did not get or take, by reason.
        failed: Calls of it that raised.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.written = 0
        self.dropped: Counter[str] = Counter()
        self.failed = 0

    def drop(self, count: int, reason: str) -> None:
        """Count events that were dropped before the sink was asked to take them."""
        self.accepted += count
        self.dropped[reason] += count

    def as_dict(self) -> dict[str, int]:
        """Return the totals by name, the reasons as `dropped/<reason>`."""
        return {
            "accepted": self.accepted,
            "written": self.written,
            "dropped": self.dropped.total(),
            "failed": self.failed,
            **{f"dropped/{reason}": n for reason, n in self.dropped.items() if n},
        }


class Outlet:
    """A sink that never raises. It is a `Sink` itself, so it may be wrapped like any other.

    When the sink raises, its events are held (at most `MAX_HELD`, the oldest go first) and
    written again after a pause that doubles each time. The first fault is reported, and so is
    the recovery; what happens between is only counted.

    Args:
        name: Name of the sink in the configuration.
        sink: The sink.
        report: Called with (component, status, reason).
    """

    def __init__(self, name: str, sink: Sink, report: Callable[[str, str, str], None]) -> None:
        self.name = name
        self.totals = Totals()
        # A flush also writes what is held, so a sink that never asks for one gets it too.
        self.flush_interval_s: float = getattr(sink, "flush_interval_s", 1.0)
        self._sink = sink
        self._report = report
        self._held: deque[Event] = deque()
        self._retry_at_s = 0.0
        self._pause_s = FIRST_RETRY_S
        self._failing = False
        self._tries = 0
        self._last_error: Exception | None = None

    def write(self, events: Sequence[Event]) -> None:
        """Give the sink its events, or hold them while it fails."""
        self.totals.accepted += len(events)
        if self._held or self._failing:
            self._hold(events)
            self.retry()
        elif not self._try_write(events):
            self._hold(events)

    def retry(self) -> None:
        """Write what is held, if the pause is over. Cheap when nothing is."""
        if not self._held or time.monotonic() < self._retry_at_s:
            return
        while self._held:
            batch = list(islice(self._held, 1024 if self._tries < BATCH_TRIES else 1))
            if not self._try_write(batch):
                self._give_up_on_poison()
                return
            for _ in batch:
                self._held.popleft()
        self._recovered()

    @property
    def is_behind(self) -> bool:
        """Whether events are held, or the last call failed."""
        return bool(self._held) or self._failing

    def flush(self) -> None:
        """Flush the sink; a fault counts like one of `write`."""
        self.retry()
        self._check(attempt(self._sink.flush))

    def close(self) -> None:
        """Try once more to write what is held, then close the sink."""
        self._retry_at_s = 0.0
        self.retry()
        self.totals.dropped["sink_failed"] += len(self._held)
        self._held.clear()
        self._check(attempt(self._sink.close))

    def _try_write(self, events: Sequence[Event]) -> bool:
        if self._check(attempt(self._sink.write, events)):
            self.totals.written += len(events)
            return True
        return False

    def _check(self, result: object) -> bool:
        """Count a fault and report the first of a row."""
        if not isinstance(result, Failure):
            return True
        self.totals.failed += 1
        self._tries += 1
        self._last_error = result.error
        self._retry_at_s = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_RETRY_S)
        if not self._failing:
            self._failing = True
            self._report(self.name, "failed", describe(result.error))
        return False

    def _give_up_on_poison(self) -> None:
        # A full disk heals; an event that trips a bug in the sink never will.
        if self._tries >= EVENT_TRIES and not isinstance(self._last_error, OSError):
            self._held.popleft()
            self.totals.dropped["rejected"] += 1
            self._tries = BATCH_TRIES
            self._pause_s = FIRST_RETRY_S

    def _hold(self, events: Sequence[Event]) -> None:
        self._held.extend(events)
        surplus = len(self._held) - MAX_HELD
        for _ in range(surplus):
            self._held.popleft()
        if surplus > 0:
            self.totals.dropped["sink_failed"] += surplus

    def _recovered(self) -> None:
        self._pause_s = FIRST_RETRY_S
        self._tries = 0
        if self._failing:
            self._failing = False
            self._report(self.name, "recovered", "it takes events again")
