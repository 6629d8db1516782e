"""What one sink has to get from the journal before anything newer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Iterator

from logflume.pipeline.counters import Counters
from logflume.protocols import Event, Journal, Position, RebuildableSink, Sink
from logflume.runs.info import RunInfo

__all__ = ["CatchUp"]

JOURNAL_PATIENCE_S = 35.0
"""How long to wait for a journal that fails, too: a little more than its longest pause."""


class CatchUp:
    """A range of the journal of which the sink lacks every event that is routed to it.

    It begins with what earlier attempts left undone, and grows by what can't be held while the sink
    fails. It is true as long as something of it is left.

    Args:
        journal: Where the events are.
        journal_fails: Whether the journal fails at the moment, and may get more of the stretch yet.
        wants: Whether an event goes to the sink.
        sink: The sink.
        run: The present attempt.
        counters: What counts the sink's events.
    """

    def __init__(
        self,
        journal: Journal,
        journal_fails: Callable[[], bool],
        wants: Callable[[Event], bool],
        sink: Sink,
        run: RunInfo,
        counters: Counters,
    ) -> None:
        self._journal = journal
        self._journal_fails = journal_fails
        self._wants = wants
        self._sink = sink
        self._run = run
        self._counters = counters
        self._stretch: tuple[Position, Position] | None = None
        self._pieces: Iterator[list[Event]] | None = None
        self._held: Container[Position] = ()
        self._must_ask = False
        self._waits_until_s: float | None = None

    def __bool__(self) -> bool:
        return self._stretch is not None

    def is_ready(self) -> bool:
        """Whether there is something to take now.

        What the journal still holds back because it fails itself is waited for, but not for long.
        """
        if self._stretch is None:
            return False
        if self._stretch[1] < (self._run.attempt, 0) or not self._journal_fails():
            self._waits_until_s = None
            return True
        if self._waits_until_s is None:
            self._waits_until_s = time.monotonic() + JOURNAL_PATIENCE_S
        return time.monotonic() >= self._waits_until_s

    def wait_no_longer(self) -> None:
        """Be content with what the journal has."""
        self._waits_until_s = -math.inf

    def look_back(self, first_attempt: int) -> None:
        """Begin with what the sink lacks of the attempts from this one to the present."""
        if first_attempt < self._run.attempt and isinstance(self._sink, RebuildableSink):
            self._stretch = ((first_attempt, 0), (self._run.attempt, -1))
            self._must_ask = True

    def add(self, event: Event) -> None:
        """Add an event that the sink is given only after all that is in here."""
        position = _position(event)
        self._stretch = (position if self._stretch is None else self._stretch[0], position)

    def take(self) -> list[Event]:
        """Return the next events, in order; it may be none, though more follow.

        They are counted as caught up, or as filled in when an earlier attempt was given them.
        """
        self._ask_what_is_held()
        if self._stretch is None:
            return []
        first, last = self._stretch
        # Kept only when it could be read: after an error the next call begins anew at `first`.
        pieces, self._pieces = self._pieces or self._journal.read(self._run, first), None
        piece = next(pieces, None)
        self._pieces = pieces
        if piece is None or (piece and _position(piece[-1]) >= last):
            self.give_up()
        elif piece:
            attempt, seq = _position(piece[-1])
            self._stretch = ((attempt, seq + 1), last)
        events = [event for event in piece or () if _position(event) <= last and self._lacks(event)]
        self._count(events)
        return events

    def give_up(self) -> None:
        """Leave the rest: there is none, or it can't be had."""
        self._stretch = None
        self._pieces = None

    def _ask_what_is_held(self) -> None:
        """Ask the sink, once, before anything of this attempt is written to it."""
        if not self._must_ask or not isinstance(self._sink, RebuildableSink):
            return
        held = self._sink.held(self._run)
        self._must_ask = False
        if held is not None:
            self._held = held
        elif self._stretch is not None:
            # Only what this attempt has missed is known to be missing.
            first, last = (self._run.attempt, 0), self._stretch[1]
            self._stretch = (first, last) if first <= last else None

    def _lacks(self, event: Event) -> bool:
        return self._wants(event) and _position(event) not in self._held

    def _count(self, events: list[Event]) -> None:
        earlier = sum(event["attempt"] < self._run.attempt for event in events)
        self._counters.filled_in += earlier
        self._counters.caught_up += len(events) - earlier


def _position(event: Event) -> Position:
    return event["attempt"], event["seq"]
