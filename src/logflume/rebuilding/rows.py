"""What an output has, by the positions of its events."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

__all__ = ["Rows"]

_PAGE = 512
_MOST = 1 << 40
"""No run has so many events: a number above it was made by damage, and is not kept."""


class Rows:
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
