"""Which events a sink has, in little memory."""

from __future__ import annotations

from collections import defaultdict

__all__ = ["Positions"]


class Positions:
    """A set of places in a run, `(attempt, seq)`: one bit each, so ten million take 1.25 MB."""

    def __init__(self) -> None:
        self._bits: defaultdict[int, bytearray] = defaultdict(bytearray)

    def add(self, attempt: int, seq: int) -> None:
        """Add the place of an event; `seq` counts from 0."""
        bits = self._bits[attempt]
        byte, bit = divmod(seq, 8)
        if byte >= len(bits):
            bits.extend(bytes(byte + 1 - len(bits)))
        bits[byte] |= 1 << bit

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, tuple):
            return False
        attempt, seq = position
        bits = self._bits.get(attempt, b"")
        byte, bit = divmod(seq, 8)
        return byte < len(bits) and bool(bits[byte] >> bit & 1)
