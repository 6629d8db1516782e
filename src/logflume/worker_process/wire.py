"""What the two processes say to each other, and how it is written."""

from __future__ import annotations

import marshal
import mmap
import os
import pickle
import struct
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from multiprocessing.connection import wait
from operator import itemgetter
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from logflume.config.model import Config
from logflume.pipeline.records import Item, Position, Record
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.values.kinds import Kind

__all__ = [
    "PARCELS",
    "Connection",
    "EventBatch",
    "Filled",
    "Message",
    "Notification",
    "Request",
    "RunOpening",
    "Start",
    "TorchMemory",
    "decode",
    "encode",
    "mentions_main",
]


class Filled:
    """The byte. To set it costs a log call nothing; a pipe would cost it the interpreter's lock.

    Args:
        descriptor: The file behind it, from `create`.
    """

    def __init__(self, descriptor: int) -> None:
        self.byte = mmap.mmap(descriptor, 1)

    @staticmethod
    def create() -> int:
        """Return the descriptor of a new one, for both processes.

        Raises:
            OSError: There is no room for a file.
        """
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("logflume")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.truncate(descriptor, 1)
        return descriptor

    def take(self) -> bool:
        """Return whether something came since the last time."""
        is_set = self.byte[0] != 0
        if is_set:
            self.byte[0] = 0
        return is_set


_LENGTH = struct.Struct("!Q")

_CHUNK_BYTES = 65536


class Connection:
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


PARCELS = 8
"""Parcels that the child may hold. The rest waits in the training's buffer, which is bounded."""


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


class RunOpening(Struct):
    """To the child: the fields of `run_started`. The pipeline starts with it."""

    fields: dict[str, Any]


class EventBatch(Struct):
    """To the child: items of the buffer, in order.

    Attributes:
        items: The items.
        position: Step and mode when it was sent, for the events that the child makes itself.
    """

    items: list[Item]
    position: Position


class TorchMemory(Struct):
    """To the child: what torch's allocator says; only the training's process can ask it."""

    fields: dict[str, int]


class Request(Struct):
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


class Notification(Struct):
    """To the training: what there is to tell. It also looks into its buffer, as at every message.

    Attributes:
        is_built: The first news: the pipeline is built, or `refused`.
        refused: Why it can't be built. The error is raised there.
        written: How many parcels, the oldest, were written.
        kinds: Kinds of undeclared fields, all that are known, where new ones have come.
        text: What the console shows.
        answers: Answers to an `Request`, by its number.
    """

    is_built: bool = False
    refused: Exception | None = None
    written: int = 0
    kinds: dict[str, dict[str, Kind]] | None = None
    text: str = ""
    answers: dict[int, Any] = {}


Message: TypeAlias = Start | RunOpening | EventBatch | TorchMemory | Request | Notification

_PICKLE, _MARSHAL = b"p", b"m"

_LOGGER, _EVENT, _CONTEXT, _FIELDS, _POSITION = map(
    itemgetter, map(Record._fields.index, ("logger", "event", "context", "fields", "position"))
)

_TEXTS = frozenset({str})

_POSITIONS = frozenset({int, str, type(None)})


def encode(message: Message) -> bytes:
    """Return a message as bytes.

    A parcel of log calls with nothing but numbers, text and containers of them goes by `marshal`:
    that is faster than pickle, and gives the other process one object for each name of a field.

    Raises:
        Exception: It can't be pickled.
    """
    if isinstance(message, EventBatch) and _is_plain(message):
        with suppress(ValueError):  # a value is something else
            return _MARSHAL + marshal.dumps((message.items, message.position))
    return _PICKLE + pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def _is_plain(parcel: EventBatch) -> bool:
    """Whether a parcel holds log calls only, whose texts and numbers are just that.

    Whatever has a buffer is bytes to `marshal`, as NumPy's texts and numbers are. The values of a
    log call are snapshots, and none of these; those of other items may be anything. No loop of
    Python's own is in here, for this is done in the training's process.
    """
    items: Sequence[Any] = parcel.items
    if set(map(type, items)) != {tuple}:
        return False
    texts = chain(map(_LOGGER, items), map(_EVENT, items))
    names = chain.from_iterable(chain(map(_CONTEXT, items), map(_FIELDS, items)))
    positions = chain(parcel.position, chain.from_iterable(map(_POSITION, items)))
    return _TEXTS.issuperset(map(type, chain(texts, names))) and _POSITIONS.issuperset(
        map(type, positions)
    )


def decode(data: bytes | bytearray | memoryview) -> Any:
    """Return a message from what `encode` made of it."""
    view = memoryview(data)
    if view[:1] == _MARSHAL:
        return EventBatch(*marshal.loads(view[1:]))
    return pickle.loads(view[1:])


def mentions_main(encoded: bytes) -> bool:
    """Whether an encoded message may refer to the training's script, `__main__`."""
    return encoded[:1] == _PICKLE and b"__main__" in encoded
