"""What became of the events of one sink, in numbers."""

from __future__ import annotations

from collections import Counter

__all__ = ["Totals"]


class Totals:
    """What became of the events of one sink. At rest, accepted = written + dropped.

    Each count has one thread that changes it, so none needs a lock.

    Attributes:
        accepted: Events routed to the sink, counted by the worker.
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
        """Count events that the sink will not get."""
        self.dropped[reason] += count

    def give_up(self) -> None:
        """Count as dropped what is still on its way, for nobody waits for it any more."""
        self.drop(self.accepted - self.written - self.dropped.total(), "shutdown_timeout")

    def as_dict(self) -> dict[str, int]:
        """Return the totals by name, the reasons as `dropped/<reason>`."""
        dropped = dict(self.dropped)
        return {
            "accepted": self.accepted,
            "written": self.written,
            "dropped": sum(dropped.values()),
            "failed": self.failed,
            **{f"dropped/{reason}": n for reason, n in dropped.items() if n},
        }
