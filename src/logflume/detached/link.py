"""The two pipes between the processes."""

from __future__ import annotations

import struct
import threading
from multiprocessing.connection import wait
from typing import Any

from logflume.detached.messages import Message, decode, encode

__all__ = ["Link"]

_LENGTH = struct.Struct("!Q")
_CHUNK_BYTES = 65536


class Link:
    """One end of the two pipes. Any thread may send; one receives.

    A message is its length and its bytes. It goes with one system call and mostly comes with one:
    at each of them the training's thread loses Python's lock, and has to wait for it again.

    Args:
        incoming: Descriptor of what the other process writes to.
        outgoing: Descriptor of what it reads from.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = open(incoming, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
        self._outgoing = open(outgoing, "wb", buffering=0)  # noqa: SIM115
        self._received = bytearray()
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message, waiting for room in the pipe.

        Raises:
            OSError: The other process has ended.
        """
        self.send_bytes(encode(message))

    def send_bytes(self, encoded: bytes) -> None:
        """Send a message that is encoded already. Raises as `send` does."""
        rest = memoryview(_LENGTH.pack(len(encoded)) + encoded)
        with self._lock:
            while rest:
                rest = rest[self._outgoing.write(rest) :]

    def receive(self) -> Any:
        """Wait for a message; None is one that says nothing.

        Raises:
            EOFError, OSError: The other process has ended.
        """
        while not self._has_message():
            chunk = self._incoming.read(max(_CHUNK_BYTES, self._lacking()))
            if not chunk:
                raise EOFError
            self._received += chunk
        end = self._end()
        encoded = self._received[_LENGTH.size : end]
        del self._received[:end]
        return decode(encoded) if encoded else None

    def is_heard_from(self, timeout_s: float) -> bool:
        """Wait for a message or the end of the other process; False after `timeout_s`."""
        return self._has_message() or bool(wait([self._incoming.fileno()], timeout_s))

    def close(self) -> None:
        """Close both pipes."""
        self._incoming.close()
        self._outgoing.close()

    def _has_message(self) -> bool:
        return self._lacking() <= 0

    def _lacking(self) -> int:
        """Return how many bytes the first message still lacks, as far as is known."""
        is_known = len(self._received) >= _LENGTH.size
        return (self._end() if is_known else _LENGTH.size) - len(self._received)

    def _end(self) -> int:
        (length,) = _LENGTH.unpack_from(self._received)
        return _LENGTH.size + int(length)
