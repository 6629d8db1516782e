"""Protocols of processors and sinks, and types of events.

A component is registered in one of the entry-point groups `logflume.processors` and
`logflume.sinks` and configured by its name, or configured as `package.module:Name`, or passed to
`initialize()` as an object.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, MutableMapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from logflume.runs.info import RunInfo

__all__ = [
    "ClosableProcessor",
    "ColumnProcessor",
    "Event",
    "EventDict",
    "FaultKind",
    "Journal",
    "Position",
    "Processor",
    "RebuildableSink",
    "ScanFault",
    "ScannableSink",
    "ScannedEvent",
    "Sink",
    "is_journal",
]

EventDict: TypeAlias = MutableMapping[str, Any]
"""An event in the processor chain, as structlog's processors accept and return it."""

Event: TypeAlias = Mapping[str, Any]
"""A finished event: flat, with the reserved names first and then its fields.

Values are `None`, `bool`, `int`, `float` (also NaN and infinities), `str`, `list[float | None]` or
`list[str | None]`. The only exception is the mapping `nonfinite` of events that have a NaN or an
infinity. A sink must not modify an event, because all sinks share the same object.
"""


Position: TypeAlias = tuple[int, int]
"""(`attempt`, `seq`), which identifies an event among those of its writer."""


class Processor(Protocol):
    """A callable of the processor chain, with structlog's signature.

    The values of an event are plain: numbers, text, lists, mappings. Tensors and arrays are
    converted before the chain runs. To drop an event, raise `structlog.DropEvent`.

    The optional attribute `event_types`, a set, list or tuple, names the event types for which the
    processor is called. If it is missing or None, the processor is called for every event.

    `detachable = True` declares that the processor doesn't depend on the training process. With
    `worker: process`, processors and sinks run in a worker process if all of them are detachable.
    """

    def __call__(self, logger: Any, method_name: str, event_dict: Any, /) -> Any:
        """Return the event for the next processor."""


@runtime_checkable
class ClosableProcessor(Processor, Protocol):
    """A processor with something to release at the end, such as a thread or held-back events."""

    def close(self) -> Iterable[EventDict]:
        """Release resources, and return held-back events for the rest of the chain."""


@runtime_checkable
class ColumnProcessor(Processor, Protocol):
    """A processor that also takes events by column: a batch of completions, for example.

    Such a batch stays in columns up to the sinks if all processors that are called for its event
    type have this protocol. The result must be the same as that of a call for each event.
    """

    def process_columns(self, columns: dict[str, Sequence[Any]], /) -> Any:
        """Return the columns for the next processor; None: call the processor for each event.

        Args:
            columns: The values of each field, one for each event. The events have the same names,
                and the same `logger`, `level` and `event`. Replace columns; don't modify them.

        Before it raises or returns None, the processor must not change its own state.
        """


@runtime_checkable
class Sink(Protocol):
    """An output for events. Only one thread at a time calls a sink.

    `write` either accepts a batch completely or raises. After an error, the pipeline retries the
    same batch, so a failed `write` should leave no part of the batch behind.

    The pipeline calls `flush` every second, or at the interval that the sink's attribute
    `flush_every_s` states, in seconds. A constructor parameter `run` receives the run's identity
    (`logflume.run.RunInfo`). These attributes are optional:

    - `unwritten`: the number of events that the sink keeps in memory between `write` and `flush`.
      They are in no file yet, so they don't count as written.
    - `loss`: what another process has removed of the sink's output, as a text; None if nothing. A
      loss is reported once, and the output doesn't count as complete.
    - `threaded = True`, on the class: the sink has a thread of its own.
    - `detachable = True`: as for a `Processor`.
    - `output`: what the option `path` names, `"file"` or `"folder"`; anything else at this path is
      an error. The folder that contains it is created before the sink.
    - `title`, on the class: what the line at the start of a run calls the output, such as `CSV`;
      without it, the type in the configuration.
    """

    def write(self, events: Sequence[Event]) -> None:
        """Write one batch, in order.

        Args:
            events: The events. Events of one type may come as an `EventColumns`
                (`logflume.values.columnar`), whose columns a sink can read directly.
        """

    def flush(self) -> None:
        """Return once other processes can read everything written so far."""

    def close(self) -> None:
        """Flush, and release all resources. Called once."""


@runtime_checkable
class RebuildableSink(Sink, Protocol):
    """A sink that can list its events, so that it gets missing ones from the journal.

    When a run is continued, the sink gets its missing events of earlier attempts through `write`,
    before any event of the new attempt. Events are missing after a crash, after a fault that lasted
    until the end of the run, or because the sink was added to the configuration.
    """

    def held(self, run: RunInfo) -> Container[Position] | None:
        """Return the positions of a run and rank that the sink has; None if it can't list them.

        Called at most once, before the first `write` and on the same thread. Any container is
        accepted, such as a set.
        """


class ScannedEvent(NamedTuple):
    """An event that a scan finds in an output.

    Attributes:
        position: The event's position; None if the output doesn't store positions. Then only the
            number of events is compared with the journal.
        checksum: A checksum of the content without `attempt` and `seq`; None: only the presence of
            the event is checked.
        location: The file or folder within the output, such as `training`; empty for the output
            itself.
    """

    position: Position | None
    checksum: int | None = None
    location: str = ""


class FaultKind(StrEnum):
    """The meaning of a fault that a scan finds."""

    DAMAGE = "damage"
    """Events may be unreadable."""
    FOREIGN = "foreign"
    """Content of no event of the run, which is normal where several runs share an output."""
    LAYOUT = "layout"
    """All events can be read, but not by every reader."""
    TORN = "torn"
    """An incomplete end, which is normal while the run is being written."""


class ScanFault(NamedTuple):
    """Something that is wrong with an output.

    Attributes:
        what: What is wrong, such as `torn last row`.
        kind: What it means.
        affected: The number of affected rows, lines or bytes.
        location: As in a `ScannedEvent`.
    """

    what: str
    kind: FaultKind
    affected: int = 1
    location: str = ""


@runtime_checkable
class ScannableSink(Sink, Protocol):
    """A sink whose output `logflume doctor` compares with the journal.

    The output is at the option `path`. These optional methods complete the protocol:

    - `expect(events)` yields a `ScannedEvent` for each event that `scan` finds after these events,
      of one attempt, were written to an empty output. Without it, all events are expected, with
      the checksum that `logflume.values.event_checksum.event_checksum` returns for an event.
    - `own_files(path, run)` yields the files that the sink has written for the run: those in a
      folder, or a file and the rotated files next to it. `logflume replay` keeps all others.
      Without this method, all files in a folder count as the sink's, and no files next to a file
      do.
    - `compact()` merges what can be merged, for `logflume compact`.
    """

    def scan(self, path: Path, run: RunInfo) -> Iterable[ScannedEvent | ScanFault]:
        """Yield the events of a run and rank in an output, and its faults, changing nothing.

        Args:
            path: The output; it may be missing. It need not be the sink's own `path`: the sink has
                the options of the one that wrote the output, and is never written to.
            run: The run and rank.

        Raises:
            FileNotFoundError: A live run replaced files during the scan, which is then repeated.
            Exception: The output can't be read, which counts as damage.
        """


@runtime_checkable
class Journal(Sink, Protocol):
    """The sink with the full record of a run, from which others get their missing events.

    Attributes:
        journal: True.
    """

    journal: bool

    def read(self, run: RunInfo, first: Position) -> Iterator[list[Event]]:
        """Yield the events of a run and rank in order, starting at `first`, in small batches.

        Safe to call from any thread, even while another one writes. A batch may be empty, so that
        the reader can do other work in between. NaN and infinities are restored.
        """


def is_journal(sink: Any) -> bool:
    """Whether a sink is the journal, from which all others can be rebuilt."""
    return bool(getattr(sink, "journal", False))
