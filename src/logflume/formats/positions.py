"""Which events a sink has, in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

__all__ = ["PositionSet", "RowChecksums", "SeqRanges"]


_PAGE = 512

_MOST = 1 << 40
"""No run has so many events: a number above it was made by damage, and is not kept."""


class RowChecksums:
    """A checksum of each row: 4 bytes an event, in pages, so that a wild number costs one page."""

    def __init__(self) -> None:
        self._pages: dict[tuple[int, int], array[int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, attempt: int, seq: int, checksum: int) -> bool:
        """Add a row; False if there is one of that event."""
        if not 0 <= seq < _MOST:
            self._count += 1
            return True
        place, index = divmod(seq, _PAGE)
        page = self._pages.get((attempt, place))
        if page is None:
            page = self._pages[(attempt, place)] = array("I", bytes(4 * _PAGE))
        if page[index]:
            return False
        page[index] = checksum or 1  # 0 stands for none
        self._count += 1
        return True

    def take(self, attempt: int, seq: int) -> int | None:
        """Take the checksum of an event's row; None if there is no such row."""
        place, index = divmod(seq, _PAGE)
        page = self._pages.get((attempt, place))
        if page is None or not page[index]:
            return None
        checksum, page[index] = page[index], 0
        self._count -= 1
        return checksum

    def left(self) -> Iterator[int]:
        """Yield the checksums of the rows that nobody took."""
        for page in self._pages.values():
            yield from filter(None, page)


class SeqRanges:
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


_PAGE_BYTES = 4_096


class PositionSet:
    """A set of places in a run, `(attempt, seq)`: one bit each, so ten million take 1.25 MB.

    The bits are in pages: a wild number, which damage to a file may make, takes one page only.
    """

    def __init__(self) -> None:
        self._pages: defaultdict[tuple[int, int], bytearray] = defaultdict(
            lambda: bytearray(_PAGE_BYTES)
        )

    def add(self, attempt: int, seq: int) -> None:
        """Add the place of an event; `seq` counts from 0."""
        byte, bit = divmod(seq, 8)
        page, byte = divmod(byte, _PAGE_BYTES)
        self._pages[attempt, page][byte] |= 1 << bit

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, tuple):
            return False
        attempt, seq = position
        byte, bit = divmod(seq, 8)
        page, byte = divmod(byte, _PAGE_BYTES)
        bits = self._pages.get((attempt, page))
        return bits is not None and bool(bits[byte] >> bit & 1)
