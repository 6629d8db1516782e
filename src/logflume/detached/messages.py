"""What the two processes say to each other, and the pipes they say it through."""

from __future__ import annotations

import pickle
import struct
import threading
from multiprocessing.connection import wait
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from logflume.config.model import Config
from logflume.pipeline.items import Deferred, Item, Lost, Position
from logflume.run import RunInfo
from logflume.state import RunState
from logflume.values.columns import Kind

__all__ = [
    "PARCELS",
    "Ask",
    "Link",
    "Message",
    "News",
    "Opening",
    "Parcel",
    "Start",
    "TorchMemory",
    "pack",
    "unpack",
]


class Start(Struct):
    """To the child, first: what to build.

    Attributes:
        config: The checked configuration.
        run: The run.
        state: What is kept of the run.
        process_id: The training's process.
        is_terminal: Whether the training's standard error is a terminal.
    """

    config: Config
    run: RunInfo
    state: RunState
    process_id: int
    is_terminal: bool


class Opening(Struct):
    """To the child: the fields of `run_started`. The pipeline starts with it."""

    fields: dict[str, Any]


class Parcel(Struct):
    """To the child: items of the buffer, in order.

    Attributes:
        items: The items, from `pack`.
        position: Step and mode when it was sent, for the events that the child makes itself.
    """

    items: list[Any]
    position: Position


class TorchMemory(Struct):
    """To the child: what torch's allocator says; only the training's process can ask it."""

    fields: dict[str, int]


class Ask(Struct):
    """To the child: do something that has an answer, which bears the same number.

    Attributes:
        number: Its number.
        what: `flush` and `close` answer whether they were done in time, `status` with a `Status`.
        timeout_s: The longest that it may take.
        ending: Fields of `run_finished`, for `close`.
    """

    number: int
    what: Literal["flush", "status", "close"]
    timeout_s: float = 0.0
    ending: dict[str, Any] = {}


class News(Struct):
    """To the training: what there is to tell. It also looks into its buffer, as at every message.

    Attributes:
        is_built: The first news: the pipeline is built, or `refused`.
        refused: Why it can't be built. The error is raised there.
        written: How many parcels, the oldest, were written.
        kinds: Kinds of undeclared fields, all that are known, where new ones have come.
        text: What the console shows.
        answers: Answers to an `Ask`, by its number.
    """

    is_built: bool = False
    refused: Exception | None = None
    written: int = 0
    kinds: dict[str, dict[str, Kind]] | None = None
    text: str = ""
    answers: dict[int, Any] = {}


def pack(item: Item) -> Any:
    """Return an item as plain tuples and numbers, which are pickled several times faster."""
    return tuple(item) if isinstance(item, tuple) else item.count


def unpack(packed: Any) -> Item:
    """Return an item from what `pack` made of it."""
    if isinstance(packed, int):
        return Lost(packed)
    return Deferred._make(packed) if len(packed) == len(Deferred._fields) else packed


Message: TypeAlias = Start | Opening | Parcel | TorchMemory | Ask | News

_LENGTH = struct.Struct("!Q")
_CHUNK_BYTES = 65536

PARCELS = 8
"""Parcels that the child may hold. The rest waits in the training's buffer, which is bounded."""


class Link:
    """One end of the two pipes. Any thread may send; one receives.

    A message is its length and its pickle. It goes with one system call and mostly comes with one:
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
        self.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def send_bytes(self, pickled: bytes) -> None:
        """Send a message that is pickled already. Raises as `send` does."""
        rest = memoryview(_LENGTH.pack(len(pickled)) + pickled)
        with self._lock:
            while rest:
                rest = rest[self._outgoing.write(rest) :]

    def receive(self) -> Any:
        """Wait for a message; None is one that says nothing.

        Raises:
            EOFError, OSError: The other process has ended.
        """
        while not self._has_message():
            chunk = self._incoming.read(_CHUNK_BYTES)
            if not chunk:
                raise EOFError
            self._received += chunk
        end = self._end()
        pickled = self._received[_LENGTH.size : end]
        del self._received[:end]
        return pickle.loads(pickled) if pickled else None

    def is_heard_from(self, timeout_s: float) -> bool:
        """Wait for a message or the end of the other process; False after `timeout_s`."""
        return self._has_message() or bool(wait([self._incoming.fileno()], timeout_s))

    def close(self) -> None:
        """Close both pipes."""
        self._incoming.close()
        self._outgoing.close()

    def _has_message(self) -> bool:
        return len(self._received) >= _LENGTH.size and len(self._received) >= self._end()

    def _end(self) -> int:
        (length,) = _LENGTH.unpack_from(self._received)
        return _LENGTH.size + int(length)
