"""Counts of the events of one sink: accepted, written, dropped, and so on."""

from __future__ import annotations

from collections import Counter

__all__ = ["Counters"]


class Counters:
    """The counts of the events of one sink. At rest, accepted = written + dropped.

    Only one thread changes each count, so no lock is needed.

    Attributes:
        accepted: Events routed to the sink, counted by the worker.
        taken: Events that the sink accepted.
        unwritten: Those of them that it still keeps in memory.
        dropped: Events that it didn't get or accept, by reason, counted when they were given up.
        caught_up: Those of them that it got later, from the journal.
        filled_in: Events of earlier attempts that it got; `accepted` doesn't include them.
        failed: Calls of the sink that raised.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.taken = 0
        self.unwritten = 0
        self.dropped: Counter[str] = Counter()
        self.caught_up = 0
        self.filled_in = 0
        self.failed = 0

    @property
    def written(self) -> int:
        """Events that are in a file."""
        return self.taken - self.unwritten

    def drop(self, count: int, reason: str) -> None:
        """Count events that the sink will not get."""
        self.dropped[reason] += count

    def drop_unwritten(self, reason: str) -> None:
        """Count as dropped what a closed sink has not written."""
        self.taken -= self.unwritten
        self.drop(self.unwritten, reason)
        self.unwritten = 0

    def give_up(self) -> None:
        """Count the events still on their way as dropped."""
        lost = sum(self._lost().values())
        self.drop(self.accepted + self.filled_in - self.written - lost, "shutdown_timeout")

    @property
    def is_whole(self) -> bool:
        """Whether the sink has everything that it was given, except events that it can't take."""
        return not self.unwritten and not set(self._lost()) - {"rejected"}

    def is_all(self, events: int) -> bool:
        """Whether the sink has all of this number of events."""
        return self.accepted == events and not self.unwritten and not self._lost()

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, the reasons as `dropped/<reason>`.

        `accepted` includes the events that were filled in; `filled_in` is present if there are any.
        """
        lost = self._lost()
        return {
            "accepted": self.accepted + self.filled_in,
            "written": self.written,
            "dropped": sum(lost.values()),
            "failed": self.failed,
            **({"filled_in": self.filled_in} if self.filled_in else {}),
            **{f"dropped/{reason}": count for reason, count in lost.items()},
        }

    def _lost(self) -> dict[str, int]:
        """Return the number of events dropped for good, by reason.

        Events caught up are subtracted from the reasons for which the catch-up exists first.
        """
        regained = self.caught_up
        lost = {}
        for reason, count in sorted(dict(self.dropped).items(), key=_is_not_caught_up):
            lost[reason] = max(0, count - regained)
            regained = max(0, regained - count)
        return {reason: count for reason, count in lost.items() if count}


def _is_not_caught_up(dropped: tuple[str, int]) -> bool:
    return dropped[0] not in ("sink_failed", "queue_full")
