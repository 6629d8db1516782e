"""The class `ParquetSink`: it buffers events and writes them as parts, one folder per event type.

pyarrow is imported with the first table: with `worker: process` the training process only reads the
options of this class and never needs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from logflume.formats.parquet import folder_name, list_parts, list_tables
from logflume.formats.parquet_scan import scan_parts
from logflume.formats.positions import PositionSet
from logflume.protocols import Event, ScanFault, ScannedEvent
from logflume.resources import watched_process_id
from logflume.runs.info import RunInfo
from logflume.values.arrow_startup import start_arrow
from logflume.values.columnar import EventColumns
from logflume.values.event_checksum import event_checksum

from .staging import StagingFolder

if TYPE_CHECKING:
    from .table import TypeTable

__all__ = ["ParquetSink"]

_PART_BYTES = 64 * 2**20
_MAX_MEMORY_BYTES = 256 * 2**20

_FIRST_ROTATE_S = 10.0
_OTHER_ROTATE_S = 60.0
_FIRST_TINY_PARTS = 64
_OTHER_TINY_PARTS = 1


class ParquetSink:
    """Writes `<path>/<event>/part-….parquet`: closed files, with one schema per event type.

    Any reader can read the folder of an event type while the run is in progress:

    ```python
    duckdb.sql("select step, loss from 'logs/my-run/parquet/training/*.parquet' order by seq")
    pandas.read_parquet("logs/my-run/parquet/training")
    ```

    Every field is a column, except `nonfinite`: NaN and infinities are stored as they are.
    `timestamp` is an instant (microseconds, UTC). Values that fit no column are in `extras`.

    `write` buffers events in memory. They become a part at each `flush`, and at the next `write`
    once the buffer holds `rotate_events` or 64 MB of one type, or 256 MB of all types. A part that
    is due is written before the batch is accepted. If that fails, on a full disk for example, the
    batch is rejected and can be sent again, and the buffered events are kept. No event is therefore
    lost, duplicated or partly visible, and memory stays bounded.

    Args:
        path: The folder, created if missing. Parts and columns of earlier attempts are kept; stale
            files are removed.
        rotate_s: Interval in seconds at which the pipeline flushes. Plain readers of the parts may
            lag behind by this much. None: 10 on the first rank of a machine, and 60 on the others,
            which write fewer and larger parts, because the number of files limits a run of many
            ranks.
        rotate_events: Number of events of one type that make a part.
        run: The identity of the run. Events without an attempt get its attempt.

    Raises:
        OSError: The folder can't be created or read.
    """

    detachable = True
    title = "Parquet"
    output = "folder"
    threaded = True

    def __init__(
        self,
        path: Path,
        *,
        rotate_s: float | None = None,
        rotate_events: int = 10_000,
        run: RunInfo,
    ) -> None:
        is_first = run.local_rank == 0
        if rotate_s is None:
            rotate_s = _FIRST_ROTATE_S if is_first else _OTHER_ROTATE_S
        self.flush_every_s = rotate_s
        self._max_tiny_parts = _FIRST_TINY_PARTS if is_first else _OTHER_TINY_PARTS
        self._rotate_events = rotate_events
        self._attempt = run.attempt
        path.mkdir(parents=True, exist_ok=True)
        # The training code may change the working directory.
        self._path = path.resolve()
        self._staging = StagingFolder(self._path)
        self._tables: dict[str, TypeTable] = {}
        for folder in self._path.iterdir():
            if folder.is_dir() and not folder.name.startswith("."):
                self._table_of(folder.name)

    def write(self, events: Sequence[Event]) -> None:
        """Write the parts that are due, then buffer the batch.

        Raises:
            OSError: A part could not be written; the batch was rejected as a whole.
        """
        self._rotate()
        groups = self._group(events)
        tables = [self._table_of(str(event_type)) for event_type, _ in groups]
        for table, ((_, attempt), group) in zip(tables, groups.items(), strict=True):
            table.add(group, attempt)

    @property
    def unwritten(self) -> int:
        """Number of events in memory that are in no part yet."""
        return sum(table.rows for table in self._tables.values())

    @property
    def loss(self) -> str | None:
        """What another process has removed of the parts; None if nothing."""
        rows = sum(table.missing_rows for table in list(self._tables.values()))
        if not rows:
            return None
        return (
            f"{self._path}: parts were removed or damaged by another process: "
            f"{rows:,} events are missing"
        )

    def held(self, run: RunInfo) -> PositionSet:
        """Return the positions of a run's events in the parts."""
        positions = PositionSet()
        for table in self._tables.values():
            for attempt, seq in table.positions(run):
                positions.add(attempt, seq)
        return positions

    def scan(self, path: Path, run: RunInfo) -> Iterator[ScannedEvent | ScanFault]:
        """Yield the rows of all parts; see `logflume.protocols.ScannableSink`."""
        return scan_parts(path, run)

    def expect(self, events: Sequence[Event]) -> Iterator[ScannedEvent]:
        """Yield a row for each event."""
        for event in events:
            position = (event["attempt"], event["seq"])
            yield ScannedEvent(position, event_checksum(event), folder_name(event["event"]))

    def own_files(self, path: Path, run: RunInfo) -> Iterator[Path]:  # noqa: ARG002
        """Yield the parts in a folder, which only one writer uses."""
        for event_type in list_tables(path):
            for part in list_parts(path / event_type):
                yield path / event_type / part.name

    def compact(self) -> None:
        """Merge small parts.

        Raises:
            OSError: At least one type could not be merged; its parts hold the same events.
        """
        self._call_for_each("write_parts", "finish")

    def flush(self) -> None:
        """Write all buffered events; when this returns, readers see them.

        Raises:
            OSError: At least one type could not be written; its events stay buffered.
        """
        try:
            self._call_for_each("write_parts", "tidy")
        finally:
            self._staging.sweep()

    def close(self) -> None:
        """Write all buffered events, and merge small parts.

        Raises:
            OSError: At least one type could not be written.
        """
        try:
            # Everything is written before the first merge, which may take long.
            self.compact()
        finally:
            self._staging.close()

    def _table_of(self, event_type: str) -> TypeTable:
        name = folder_name(event_type)
        if name not in self._tables:
            if watched_process_id() != os.getpid():  # the training process may use pandas
                start_arrow()
            from .table import TypeTable

            self._tables[name] = TypeTable(
                name, self._path / name, self._staging, self._max_tiny_parts
            )
        return self._tables[name]

    def _group(self, events: Sequence[Event]) -> Mapping[tuple[str, int], Sequence[Event]]:
        """Return the events by type and attempt."""
        if isinstance(events, EventColumns):  # of one type and attempt
            return {self._group_of(events[0]): events}
        groups: dict[tuple[str, int], list[Event]] = {}
        for event in events:
            groups.setdefault(self._group_of(event), []).append(event)
        return groups

    def _group_of(self, event: Event) -> tuple[str, int]:
        return event["event"], event.get("attempt", self._attempt)

    def _rotate(self) -> None:
        tables = self._tables.values()
        for table in tables:
            table.convert()
        is_full = sum(table.memory_bytes for table in tables) >= _MAX_MEMORY_BYTES
        for table in tables:
            if is_full or table.rows >= self._rotate_events or table.memory_bytes >= _PART_BYTES:
                table.write_parts()
                table.tidy()
        self._staging.sweep()

    def _call_for_each(self, *methods: str) -> None:
        """Call one method after another for all types; a failure doesn't stop the others."""
        import pyarrow as pa

        errors: list[Exception] = []
        for method, table in product(methods, self._tables.values()):
            try:
                getattr(table, method)()
            except (OSError, pa.ArrowException) as error:
                errors.append(error)
        if errors:
            raise errors[0]
