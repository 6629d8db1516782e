"""What a processor and a sink have to be.

Both are found by name through the entry-point groups `logflume.processors` and `logflume.sinks`,
or given to `initialize()` as objects.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from logflume.runs.info import RunInfo

__all__ = [
    "BackgroundSink",
    "ClosableProcessor",
    "Event",
    "EventDict",
    "Journal",
    "Position",
    "Processor",
    "RebuildableSink",
    "Sink",
]

EventDict: TypeAlias = MutableMapping[str, Any]
"""An event inside the chain: what structlog's processors take and return."""

Event: TypeAlias = Mapping[str, Any]
"""A finished event: flat, with the reserved names first and then its fields.

Values are `None`, `bool`, `int`, `float` (NaN and infinities included), `str`, `list[float | None]`
or `list[str | None]`; the one exception is `nonfinite`, a mapping, present only in events that
have a NaN or an infinity. A sink must not change an event: other sinks hold the same object.
"""


Position: TypeAlias = tuple[int, int]
"""The place of an event among those of its run and rank: `attempt`, `seq`."""


class Processor(Protocol):
    """A step of the chain, with structlog's signature.

    Raising `structlog.DropEvent` drops the event. Values of the event are plain already
    (numbers, text, lists, mappings): tensors and arrays were converted before the chain.

    An attribute `event_types`, a set, list or tuple, says which types of events a processor looks
    at: the chain doesn't call it for others. Without one, or with None, it is called for all.

    `detachable = True` says that it needs nothing of the training's process: with `worker: process`
    it may run in another one, if all components of the configuration say so.
    """

    def __call__(self, logger: Any, method_name: str, event_dict: Any, /) -> Any:
        """Return the event to go on with."""


@runtime_checkable
class ClosableProcessor(Processor, Protocol):
    """A processor that holds something: events of a window, or a thread."""

    def close(self) -> Iterable[EventDict]:
        """Let go of it, and return what was held back; that runs the rest of the chain."""


@runtime_checkable
class Sink(Protocol):
    """Where events go. One sink is called by one thread at a time.

    `write` takes a batch whole or raises; a sink that raises is retried later with the same batch,
    so it should leave nothing of a failed batch behind.

    The pipeline calls `flush` every second, or as often as an attribute `flush_interval_s` of the
    sink says. A sink may have a constructor parameter `run` to be given
    the run's identity (`logflume.runs.identity.RunInfo`), and a class attribute `threaded = True`
    to be given a thread of its own. `detachable = True` is as for a `Processor`.
    """

    def write(self, events: Sequence[Event]) -> None:
        """Take one batch, in order."""

    def flush(self) -> None:
        """Return when all written so far can be read by another process."""

    def close(self) -> None:
        """Flush and release everything. Called once."""


@runtime_checkable
class BackgroundSink(Sink, Protocol):
    """A sink with a thread of its own, so that waiting for it is left to whoever asked."""

    def drain(self, timeout_s: float) -> bool:
        """Wait until all written so far is flushed; False when `timeout_s` was not enough."""


@runtime_checkable
class RebuildableSink(Sink, Protocol):
    """A sink that can tell what it has: what it lacks of a run's earlier attempts is filled in.

    That happens when the run is opened again: after a crash, after a fault that outlasted the
    run, or where the sink is new to it. The events come from the journal, through `write`, before
    any of the new attempt.
    """

    def held(self, run: RunInfo) -> Container[Position] | None:
        """Return the events of a run and rank that are there; None if that can't be told.

        Called at most once, before the first `write` and on the same thread. A set will do.
        """


@runtime_checkable
class Journal(Sink, Protocol):
    """The sink with the full record, from which the others are filled in.

    Attributes:
        journal: True.
    """

    journal: bool

    def read(self, run: RunInfo, first: Position) -> Iterator[list[Event]]:
        """Yield the events of a run and rank from this one on, in order and piece by piece.

        Any thread may call it, while another one writes. Pieces are small, and may be empty: the
        reader gets to do something else in between. NaN and infinities are restored.
        """
