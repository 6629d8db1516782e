"""What became of the events of one sink, in numbers."""

from __future__ import annotations

from collections import Counter

__all__ = ["Counters"]


class Counters:
    """What became of the events of one sink. At rest, accepted = written + dropped.

    Each count has one thread that changes it, so none needs a lock.

    Attributes:
        accepted: Events routed to the sink, counted by the worker.
        written: Events it took.
        dropped: Events it did not get or take, by reason, when that was so.
        caught_up: Events of these that it was given later all the same, from the journal.
        filled_in: Events of earlier attempts that it was given; `accepted` doesn't count them.
        failed: Calls of it that raised.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.written = 0
        self.dropped: Counter[str] = Counter()
        self.caught_up = 0
        self.filled_in = 0
        self.failed = 0

    def drop(self, count: int, reason: str) -> None:
        """Count events that the sink will not get."""
        self.dropped[reason] += count

    def give_up(self) -> None:
        """Count as dropped what is still on its way, for nobody waits for it any more."""
        lost = sum(self._lost().values())
        self.drop(self.accepted + self.filled_in - self.written - lost, "shutdown_timeout")

    @property
    def is_whole(self) -> bool:
        """Whether the sink has all that it was given, but for what it can't take."""
        return not set(self._lost()) - {"rejected"}

    def is_all(self, events: int) -> bool:
        """Whether the sink has every single one of that many events."""
        return self.accepted == events and not self._lost()

    def as_dict(self) -> dict[str, int]:
        """Return the totals by name, the reasons as `dropped/<reason>`.

        What was filled in is part of `accepted` here, and told apart if there is any.
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
        """Return what was dropped for good: catching up is for `sink_failed` in the first place."""
        regained = self.caught_up
        lost = {}
        for reason, count in sorted(dict(self.dropped).items(), key=_order):
            lost[reason] = max(0, count - regained)
            regained = max(0, regained - count)
        return {reason: count for reason, count in lost.items() if count}


def _order(dropped: tuple[str, int]) -> bool:
    return dropped[0] != "sink_failed"
