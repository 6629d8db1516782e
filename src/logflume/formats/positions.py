"""Compact sets of event positions, for what a journal or a sink contains."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

__all__ = ["PositionSet", "RowChecksums", "SeqRanges"]


_PAGE = 512

_MAX_SEQ = 1 << 40
"""No run has this many events: a larger number comes from damage and is not stored."""


class RowChecksums:
    """A checksum for each row, by the position of its event.

    Checksums take 4 bytes each and are stored in pages, so that a damaged `seq` costs one page.
    """

    def __init__(self) -> None:
        self._pages: dict[tuple[int, int], array[int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, attempt: int, seq: int, checksum: int) -> bool:
        """Add a row; False if the event already has one."""
        if not 0 <= seq < _MAX_SEQ:
            self._count += 1
            return True
        number, index = divmod(seq, _PAGE)
        page = self._pages.get((attempt, number))
        if page is None:
            page = self._pages[(attempt, number)] = array("I", bytes(4 * _PAGE))
        if page[index]:
            return False
        page[index] = checksum or 1  # 0 stands for none
        self._count += 1
        return True

    def pop(self, attempt: int, seq: int) -> int | None:
        """Remove and return the checksum of an event's row; None if it has none."""
        number, index = divmod(seq, _PAGE)
        page = self._pages.get((attempt, number))
        if page is None or not page[index]:
            return None
        checksum, page[index] = page[index], 0
        self._count -= 1
        return checksum

    def remaining(self) -> Iterator[int]:
        """Yield the checksums of the rows that were not popped."""
        for page in self._pages.values():
            yield from filter(None, page)


class SeqRanges:
    """A set of positions, stored as ranges: a journal without gaps is one range per attempt."""

    def __init__(self) -> None:
        self._ranges: defaultdict[int, _Ranges] = defaultdict(_Ranges)

    def add(self, attempt: int, seq: int) -> bool:
        """Add the position of an event; False if it is already in the set."""
        return self._ranges[attempt].add(seq)

    def __contains__(self, position: tuple[int, int]) -> bool:
        attempt, seq = position
        return attempt in self._ranges and seq in self._ranges[attempt]

    def gaps(self) -> dict[int, list[tuple[int, int]]]:
        """Return the first and last `seq` of each gap, by attempt; `seq` counts from 0."""
        return {attempt: gaps for attempt, r in self._ranges.items() if (gaps := r.gaps())}

    @property
    def latest_attempt(self) -> int:
        """The highest attempt; -1 if there is none."""
        return max(self._ranges, default=-1)


class _Ranges:
    """A set of numbers as sorted, half-open ranges."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, number: int) -> bool:
        if self._stops and number == self._stops[-1]:  # nearly always the next number
            self._stops[-1] += 1
            return True
        index = bisect_right(self._starts, number)
        if index and number < self._stops[index - 1]:
            return False
        follows = index > 0 and self._stops[index - 1] == number
        precedes = index < len(self._starts) and self._starts[index] == number + 1
        if follows and precedes:
            self._stops[index - 1] = self._stops.pop(index)
            del self._starts[index]
        elif follows:
            self._stops[index - 1] += 1
        elif precedes:
            self._starts[index] = number
        else:
            self._starts.insert(index, number)
            self._stops.insert(index, number + 1)
        return True

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._starts, number)
        return index > 0 and number < self._stops[index - 1]

    def gaps(self) -> list[tuple[int, int]]:
        stops = [0, *self._stops]
        return [(s, e - 1) for s, e in zip(stops, self._starts, strict=False) if s < e]


_PAGE_BYTES = 4_096


class PositionSet:
    """A set of positions, one bit each: ten million take 1.25 MB.

    The bits are stored in pages, so that a damaged `seq` costs one page.
    """

    def __init__(self) -> None:
        self._pages: defaultdict[tuple[int, int], bytearray] = defaultdict(
            lambda: bytearray(_PAGE_BYTES)
        )

    def add(self, attempt: int, seq: int) -> None:
        """Add the position of an event; `seq` counts from 0."""
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
