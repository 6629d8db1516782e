"""One sink behind its guard: what it gets, what it took, and what happens when it fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from logflume.guard import Failure, attempt, describe
from logflume.pipeline.totals import Totals
from logflume.protocols import Event, Sink

__all__ = ["Outlet"]

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 30.0

BATCH = 1024
"""Held events that are written at once."""

BATCH_TRIES = 3
"""After so many failures in a row, held events are tried one at a time."""

EVENT_TRIES = 6
"""After so many, an event that the sink can't take (no `OSError`) is given up."""

LAST_TRIES = 5
"""Failures in a row of the system (`OSError`) after which a sink that is closed gets no more."""

MAX_HELD = 65_536
"""Events kept for a sink that fails, until it takes them again."""


class Outlet:
    """A sink that never raises. It is a `Sink` itself, so it may be wrapped like any other.

    When the sink raises, its events are held (at most `MAX_HELD`, the oldest go first) and
    written again after a pause that doubles each time. The first fault is reported, and so is
    the recovery; what happens between is only counted.

    Args:
        name: Name of the sink in the configuration.
        sink: The sink.
        report: Called with (component, status, reason).

    Attributes:
        fault: The sink's last fault as text; None while all is well.
    """

    def __init__(self, name: str, sink: Sink, report: Callable[[str, str, str], None]) -> None:
        self.name = name
        self.totals = Totals()
        self.fault: str | None = None
        # A flush also writes what is held, so a sink that never asks for one gets it too.
        self.flush_interval_s: float = getattr(sink, "flush_interval_s", 1.0)
        self._sink = sink
        self._report = report
        self._held: deque[Event] = deque()
        self._retry_at_s = 0.0
        self._pause_s = FIRST_RETRY_S
        self._tries = 0
        self._may_heal = False
        self._fails_to_write = False
        self._fails_to_flush = False

    def write(self, events: Sequence[Event]) -> None:
        """Give the sink its events, or hold them while it takes none."""
        if self._fails_to_write:
            self._hold(events)
            self.retry()
        elif not self._try_write(events):
            self._hold(events)

    def retry(self) -> None:
        """Write what is held, if the pause is over. Cheap when nothing is."""
        if not self._held or time.monotonic() < self._retry_at_s:
            return
        while self._held:
            if not self._try_held(BATCH if self._tries < BATCH_TRIES else 1):
                # A full disk heals; an event that trips a bug in the sink never will.
                if self._tries >= EVENT_TRIES and not self._may_heal:
                    self._reject()
                    self._tries = BATCH_TRIES
                    self._pause_s = FIRST_RETRY_S
                return
        self._recover()

    def flush(self) -> None:
        """Flush the sink; a fault counts like one of `write`."""
        self.retry()
        self._fails_to_flush = not self._is_done(attempt(self._sink.flush))
        self._recover()

    def close(self) -> None:
        """Try a last time to write what is held, then close the sink."""
        self._report = _say_nothing  # the pipeline has ended: `fault` is read by whoever ended it
        self._write_last()
        self.totals.drop(len(self._held), "sink_failed")
        self._held.clear()
        if not self._fails_to_write:
            self.fault = None
        self._is_done(attempt(self._sink.close))

    def _write_last(self) -> None:
        """Write what is held, and leave out only those events that the sink can't take."""
        size, rejected, failed = BATCH, 0, 0
        while self._held and rejected < EVENT_TRIES and failed < LAST_TRIES:
            if self._try_held(size):
                rejected = failed = 0
            elif self._may_heal:
                failed += 1
            elif size == 1:
                self._reject()
                rejected += 1
            else:
                size = 1

    def _try_held(self, size: int) -> bool:
        batch = list(islice(self._held, size))
        if not self._try_write(batch):
            return False
        for _ in batch:
            self._held.popleft()
        self._fails_to_write = False
        return True

    def _try_write(self, events: Sequence[Event]) -> bool:
        if self._is_done(attempt(self._sink.write, events)):
            self.totals.written += len(events)
            return True
        self._fails_to_write = True
        self._tries += 1
        self._retry_at_s = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_RETRY_S)
        return False

    def _is_done(self, result: object) -> bool:
        """Whether a call of the sink went well; a fault is counted, the first in a row reported."""
        if not isinstance(result, Failure):
            return True
        self.totals.failed += 1
        self._may_heal = isinstance(result.error, OSError)
        was_fine, self.fault = self.fault is None, describe(result.error)
        if was_fine:
            self._report(self.name, "failed", self.fault)
        return False

    def _reject(self) -> None:
        self._held.popleft()
        self.totals.drop(1, "rejected")

    def _hold(self, events: Sequence[Event]) -> None:
        self._held.extend(events)
        surplus = max(0, len(self._held) - MAX_HELD)
        for _ in range(surplus):
            self._held.popleft()
        self.totals.drop(surplus, "sink_failed")

    def _recover(self) -> None:
        if self.fault is None or self._fails_to_write or self._fails_to_flush:
            return
        self.fault = None
        self._tries = 0
        self._pause_s = FIRST_RETRY_S
        self._report(self.name, "recovered", "it takes events again")


def _say_nothing(_component: str, _status: str, _reason: str) -> None:
    pass
