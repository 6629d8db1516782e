"""What a journal or a sink contains, by position: a compact set, and one with checksums."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

from logflume.protocols import Position

__all__ = ["PositionSet", "RowChecksums"]


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


_PAGE_BYTES = 4_096
_FULL_PAGE = b"\xff" * _PAGE_BYTES
_ONES = re.compile("1+")


class PositionSet:
    """A set of positions, one bit each: ten million take 1.25 MB.

    The bits are stored in pages, so that a damaged `seq` costs one page.
    """

    def __init__(self) -> None:
        self._pages: dict[Position, bytearray] = {}  # by attempt and number of the page

    def add(self, attempt: int, seq: int) -> bool:
        """Add the position of an event, `seq` from 0; False if it is already in the set."""
        byte, bit = divmod(seq, 8)
        number, byte = divmod(byte, _PAGE_BYTES)
        page = self._pages.get((attempt, number))
        if page is None:
            page = self._pages[attempt, number] = bytearray(_PAGE_BYTES)
        mask = 1 << bit
        if page[byte] & mask:
            return False
        page[byte] |= mask
        return True

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, tuple):
            return False
        attempt, seq = position
        byte, bit = divmod(seq, 8)
        number, byte = divmod(byte, _PAGE_BYTES)
        page = self._pages.get((attempt, number))
        return page is not None and bool(page[byte] >> bit & 1)

    @property
    def latest_attempt(self) -> int:
        """The highest attempt; -1 if there is none."""
        return max((attempt for attempt, _ in self._pages), default=-1)

    def gaps(self) -> dict[int, list[tuple[int, int]]]:
        """Return the first and last `seq` of each gap, by attempt; `seq` counts from 0."""
        gaps: dict[int, list[tuple[int, int]]] = {}
        stop = 0
        previous_attempt = -1
        for attempt, number in sorted(self._pages):
            if attempt != previous_attempt:
                previous_attempt, stop = attempt, 0
            for first, end in self._ranges(attempt, number):
                if first > stop:
                    gaps.setdefault(attempt, []).append((stop, first - 1))
                stop = end
        return gaps

    def _ranges(self, attempt: int, number: int) -> Iterator[tuple[int, int]]:
        """Yield the half-open ranges of numbers in a page."""
        page = self._pages[attempt, number]
        base = 8 * _PAGE_BYTES * number
        if page == _FULL_PAGE:
            yield base, base + 8 * _PAGE_BYTES
            return
        bits = f"{int.from_bytes(page, 'little'):b}"[::-1]
        for match in _ONES.finditer(bits):
            yield base + match.start(), base + match.end()
