"""Which events a sink has, in little memory."""

from __future__ import annotations

from collections import defaultdict

__all__ = ["Positions"]

_PAGE_BYTES = 4_096


class Positions:
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
