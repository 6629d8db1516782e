"""The messages between the two processes, their encoding, and the pipes they go through.

A message is its length (8 bytes, big-endian) and the marshalled tuple `(name, *arguments)`. Its
arguments are plain data only: None, bool, int, float, str, bytes, and tuples, lists and dicts of
these. The worker process therefore imports no class of a value, and nothing is unpickled.

To the worker process:

| message | meaning |
|---|---|
| `[path, …]` | `sys.path`, read by `__main__.py`; the only message without a name |
| `start(config, run, state, process_id, columns)` | what to build |
| `open(fields)` | the fields of `run_started`; the pipeline starts |
| `records(items, step_and_mode, total_steps)` | a batch, see `pack`, and the current step |
| `torch_memory(fields)` | readings of torch's allocator, which only the training process has |
| `flush(number, timeout_s)` | answered with whether it was done in time |
| `status(number)` | answered with a `Status` |
| `close(number, timeout_s, ending)` | the last message; answered with (done, `Status`) |

To the training process:

| message | meaning |
|---|---|
| `built()` | the pipeline is built |
| `refused(kind, text)` | it can't be: a `ConfigError` or a `RunError` |
| `written(batches, seq)` | the number of oldest batches handed to the sinks, and the next `seq` |
| `kinds(kinds)` | the kinds of all undeclared fields known so far |
| `text(text)` | text for the console |
| `answer(number, value)` | the answer to a request |
"""

from __future__ import annotations

import marshal
import struct
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, TypeAlias

from logflume.guard import Failure, call_guarded
from logflume.pipeline.records import (
    BufferItem,
    DeferredRecords,
    Dropped,
    ReceivedBatch,
    RecordColumns,
)
from logflume.pipeline.worker import UNREADABLE
from logflume.values.arrays import NumberList
from logflume.values.plain import plain_names, to_plain

__all__ = [
    "Connection",
    "Message",
    "PackedItem",
    "count_packed",
    "decode",
    "encode",
    "pack",
    "unpack",
]

Message: TypeAlias = tuple[Any, ...]

PackedItem: TypeAlias = tuple[Any, ...]
"""`("dropped", count, reason)`, or the attributes of a `RecordColumns` except its size. A column
with a `NumberList` is a dict: `{"numbers": [(typecode, data), …]}`, in which other values are
unchanged."""

_LENGTH = struct.Struct("!Q")
_CHUNK_BYTES = 65536
_DROPPED = "dropped"
_NUMBERS = "numbers"
_DROPPED_LENGTH = 3
_SEVERAL = (DeferredRecords, RecordColumns, Dropped, ReceivedBatch)
_are_plain = frozenset({str, int, float, bool, type(None)}).issuperset
_are_texts = frozenset({str}).issuperset


def encode(message: Message | list[str]) -> bytes:
    """Return a message, of plain data, as bytes."""
    data = marshal.dumps(message)
    return _LENGTH.pack(len(data)) + data


def decode(encoded: bytes) -> Message:
    """Return the message that `encode` encoded."""
    message: Message = marshal.loads(encoded[_LENGTH.size :])
    return message


def pack(items: Iterable[BufferItem]) -> list[PackedItem]:
    """Return items of the buffer as plain data, whatever they hold.

    Consecutive records of one shape (logger, level, event and names of the fields) become one item,
    by column. A value that has no plain form becomes a mark; deferred records that can't be
    created, because of a bug in this package, become a gap. Every record is in the result or
    counted there.
    """
    packed: list[PackedItem] = []
    shape: tuple[Any, ...] = ()
    stamps: list[tuple[int, Any, Any]] = []
    rows: list[Iterable[Any]] = []
    given: Any = None
    step = mode = None
    for item in items:
        if isinstance(item, _SEVERAL):
            _end_rows(packed, shape, stamps, rows)
            shape, stamps, rows = (), [], []
            packed += _pack_several(item)
            continue
        time_ns, logger, level, event, context, fields, step_and_mode, _ = item
        if step_and_mode is not given:  # the same object until the next `set_step`
            given, (step, mode) = step_and_mode, map(to_plain, step_and_mode)
        if context:
            fields = {**context, **fields}
        shape_now = (logger, level, event, *fields)
        if not _are_texts(map(type, shape_now)):
            shape_now = (logger, level, event, *plain_names(fields))
        if shape_now != shape:
            _end_rows(packed, shape, stamps, rows)
            shape, stamps, rows = shape_now, [], []
        stamps.append((time_ns, step, mode))
        rows.append(fields.values())
    _end_rows(packed, shape, stamps, rows)
    return packed


def _end_rows(
    packed: list[PackedItem],
    shape: tuple[Any, ...],
    stamps: list[tuple[int, Any, Any]],
    rows: list[Iterable[Any]],
) -> None:
    """Append records of one shape, by column."""
    if rows:
        logger, level, event, *names = shape
        columns = [_plain_values(column) for column in zip(*rows, strict=True)]
        packed.append((logger, level, event, *zip(*stamps, strict=True), names, columns))


def _plain_values(values: tuple[Any, ...]) -> tuple[Any, ...]:
    with suppress(TypeError):  # a metaclass that defines `__eq__` makes its classes unhashable
        if _are_plain(map(type, values)):
            return values
    return tuple(map(to_plain, values))


def _pack_several(
    item: DeferredRecords | RecordColumns | Dropped | ReceivedBatch,
) -> list[PackedItem]:
    if isinstance(item, Dropped):
        return [(_DROPPED, item.count, item.reason)]
    if isinstance(item, RecordColumns):
        *head, columns, _ = item
        return [(*map(to_plain, map(_as_list, head)), [*map(_pack_column, columns)])]
    if isinstance(item, ReceivedBatch):
        return [packed for inner in item.items for packed in _pack_several(inner)]
    made = call_guarded(item.expand)
    if isinstance(made, Failure):
        return [(_DROPPED, item.record_count, UNREADABLE)]
    return [packed for columns in made for packed in _pack_several(columns)]


def _pack_column(values: Sequence[Any]) -> Any:
    if NumberList not in set(map(type, values)):
        return to_plain(_as_list(values))
    return {
        _NUMBERS: [
            (value.typecode, value.data) if type(value) is NumberList else to_plain(value)
            for value in values
        ]
    }


def _unpack_column(column: Any) -> Any:
    if type(column) is not dict:
        return column
    return [NumberList(*value) if type(value) is tuple else value for value in column[_NUMBERS]]


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def unpack(packed: Iterable[PackedItem]) -> list[RecordColumns | Dropped]:
    """Return the items that `pack` packed."""
    return [
        Dropped(*item[1:])
        if len(item) == _DROPPED_LENGTH
        else RecordColumns(*item)._replace(columns=[*map(_unpack_column, item[-1])])
        for item in packed
    ]


def count_packed(packed: Iterable[PackedItem]) -> int:
    """Return the number of records that packed items stand for."""
    return sum(item[1] if len(item) == _DROPPED_LENGTH else len(item[3]) for item in packed)


class Connection:
    """One end of the two pipes. Any thread may send; one receives.

    A message is written with one system call, and usually read with one, because at each call a
    thread releases the interpreter's lock and must wait for it again.

    Args:
        incoming: Descriptor of the pipe that the other process writes to.
        outgoing: Descriptor of the pipe that it reads from.

    Attributes:
        last_size_bytes: Size of the message that was received last.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = open(incoming, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
        self._outgoing = open(outgoing, "wb", buffering=0)  # noqa: SIM115
        self.last_size_bytes = 0
        self._received = bytearray()
        self._lock = threading.Lock()

    def send(self, *messages: Message | list[str]) -> None:
        """Send messages, waiting for room in the pipe.

        Raises:
            OSError: The other process has ended.
        """
        self.send_encoded(b"".join(map(encode, messages)))

    def send_encoded(self, encoded: bytes) -> None:
        """Send encoded messages. Raises like `send`."""
        rest = memoryview(encoded)
        with self._lock:
            while rest:
                rest = rest[self._outgoing.write(rest) :]

    def receive(self) -> Message:
        """Wait for a message.

        Raises:
            EOFError, OSError: The other process has ended.
        """
        while not self._has_message():
            chunk = self._incoming.read(max(_CHUNK_BYTES, self._missing_bytes()))
            if not chunk:
                raise EOFError
            self._received += chunk
        end = self._end()
        message: Message = marshal.loads(self._received[_LENGTH.size : end])
        del self._received[:end]
        self.last_size_bytes = end
        return message

    def has_message(self, timeout_s: float) -> bool:
        """Wait for a message or the end of the other process; False after `timeout_s`."""
        return self._has_message() or bool(wait([self._incoming.fileno()], timeout_s))

    def close(self) -> None:
        """Close both pipes."""
        self._incoming.close()
        self._outgoing.close()

    def _has_message(self) -> bool:
        return self._missing_bytes() <= 0

    def _missing_bytes(self) -> int:
        """Return the number of bytes known to be missing from the first message."""
        is_known = len(self._received) >= _LENGTH.size
        return (self._end() if is_known else _LENGTH.size) - len(self._received)

    def _end(self) -> int:
        (length,) = _LENGTH.unpack_from(self._received)
        return _LENGTH.size + int(length)
