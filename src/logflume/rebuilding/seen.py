"""Which events of a journal were there already, and which are missing between them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

__all__ = ["Seen"]


class Seen:
    """The positions of events, as ranges: a journal without gaps is one range an attempt."""

    def __init__(self) -> None:
        self._ranges: defaultdict[int, _Ranges] = defaultdict(_Ranges)

    def add(self, attempt: int, seq: int) -> bool:
        """Add the position of an event; False if it was there already."""
        return self._ranges[attempt].add(seq)

    def __contains__(self, position: tuple[int, int]) -> bool:
        attempt, seq = position
        return attempt in self._ranges and seq in self._ranges[attempt]

    def gaps(self) -> dict[int, list[tuple[int, int]]]:
        """Return by attempt the first and last `seq` of each gap; `seq` counts from 0."""
        return {attempt: gaps for attempt, r in self._ranges.items() if (gaps := r.gaps())}

    @property
    def latest_attempt(self) -> int:
        """The highest attempt; -1 if there is none."""
        return max(self._ranges, default=-1)


class _Ranges:
    """Numbers as half-open ranges, sorted."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, number: int) -> bool:
        if self._stops and number == self._stops[-1]:  # the next one, as nearly always
            self._stops[-1] += 1
            return True
        place = bisect_right(self._starts, number)
        if place and number < self._stops[place - 1]:
            return False
        follows = place > 0 and self._stops[place - 1] == number
        precedes = place < len(self._starts) and self._starts[place] == number + 1
        if follows and precedes:
            self._stops[place - 1] = self._stops.pop(place)
            del self._starts[place]
        elif follows:
            self._stops[place - 1] += 1
        elif precedes:
            self._starts[place] = number
        else:
            self._starts.insert(place, number)
            self._stops.insert(place, number + 1)
        return True

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._starts, number)
        return place > 0 and number < self._stops[place - 1]

    def gaps(self) -> list[tuple[int, int]]:
        stops = [0, *self._stops]
        return [(s, e - 1) for s, e in zip(stops, self._starts, strict=False) if s < e]
