"""The sink of Parquet: for each type of event a folder of files that can be read at any moment."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from logflume.protocols import Event
from logflume.run import RunInfo

from ._pq_table import TypeTable
from ._pq_workplace import Workplace

__all__ = ["ParquetSink"]

_ROTATE_BYTES = 64 * 2**20
_FULL_BYTES = 256 * 2**20
_FULL_ROTATIONS = 4
_FAULTS = (OSError, pa.ArrowException)


class ParquetSink:
    """Writes `<path>/<event>/part-….parquet`, closed files of one schema a type.

    While the run goes on, any reader reads a type's folder as it is:

    ```python
    duckdb.sql("select step, loss from 'logs/my-run/parquet/training/*.parquet' order by seq")
    pandas.read_parquet("logs/my-run/parquet/training")
    ```

    Every field is a column, with `timestamp` as an instant (microseconds, UTC) and NaN and
    infinities as they are; `nonfinite` is none. What fits no column is in `extras`.

    `write` lets events wait in memory. They become a part when `rotate_events` of their type
    wait, or 64 MB of them, and at each `flush`. If a part can't be written (the disk is full)
    its events wait on and `flush` raises; nothing is lost, doubled or half visible.
    So that this takes no endless memory, `write` raises once `4 * rotate_events` events or 256 MB
    wait and still can't be written.

    Args:
        path: The folder, made if missing. The parts that an earlier attempt left there stay, and
            their columns too; the leftovers of a crash are removed.
        rotate_s: How often the pipeline flushes, in seconds: what readers may lag behind.
        rotate_events: Events of one type that make a part.
        run: The identity of the run: its attempt is that of events that don't tell theirs.

    Raises:
        OSError: The folder can't be made or read.
    """

    threaded = True

    def __init__(
        self,
        path: Path,
        *,
        rotate_s: float = 10.0,
        rotate_events: int = 10_000,
        run: RunInfo,
    ) -> None:
        self.flush_interval_s = rotate_s
        self._path = path
        self._rotate_events = rotate_events
        self._attempt = run.attempt
        self._failing = False
        path.mkdir(parents=True, exist_ok=True)
        self._work = Workplace(path)
        self._tables: dict[str, TypeTable] = {}
        for folder in path.iterdir():
            if folder.is_dir() and not folder.name.startswith("."):
                self._find_table(folder.name)

    def write(self, events: Sequence[Event]) -> None:
        """Let a batch wait, and write the parts that are due.

        Raises:
            OSError: Too much waits that can't be written; nothing of the batch was taken.
        """
        if self._is_full():
            self.flush()
        converted = []
        for event_type, group in _by_type(events).items():
            table = self._find_table(event_type)
            converted.append((table, table.convert(group, self._attempt)))
        for table, rows in converted:
            table.take(rows)
        self._rotate([table for table, _ in converted])

    def flush(self) -> None:
        """Write all that waits: when this returns, readers see it.

        Raises:
            OSError: At least one type could not be written; its events wait on.
        """
        self._each(TypeTable.write_parts)
        self._each(TypeTable.tidy)
        self._work.sweep()

    def close(self) -> None:
        """Write all that waits, and put small parts together.

        Raises:
            OSError: At least one type could not be written.
        """
        try:
            self._each(TypeTable.finish)
        finally:
            self._work.close()

    def _find_table(self, event_type: str) -> TypeTable:
        name = _folder_name(event_type)
        if name not in self._tables:
            self._tables[name] = TypeTable(name, self._path / name, self._work)
        return self._tables[name]

    def _is_full(self) -> bool:
        tables = self._tables.values()
        return (
            sum(table.rows for table in tables) >= _FULL_ROTATIONS * self._rotate_events
            or sum(table.memory_bytes for table in tables) >= _FULL_BYTES
        )

    def _rotate(self, tables: Iterable[TypeTable]) -> None:
        # The batch was taken already, so raising would make the pipeline send it again. The
        # next flush raises, and until then there is no use in trying at each batch.
        if self._failing:
            return
        for table in tables:
            if table.rows >= self._rotate_events or table.memory_bytes >= _ROTATE_BYTES:
                try:
                    table.write_parts()
                    table.tidy()
                except _FAULTS:
                    self._failing = True

    def _each(self, action: Callable[[TypeTable], None]) -> None:
        """Do something for each type; one that fails doesn't hold back the others."""
        errors: list[Exception] = []
        for table in self._tables.values():
            try:
                action(table)
            except _FAULTS as error:
                errors.append(error)
        self._failing = bool(errors)
        if errors:
            raise errors[0]


def _by_type(events: Iterable[Event]) -> dict[str, list[Event]]:
    groups: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        groups[str(event["event"])].append(event)
    return groups


def _folder_name(event_type: str) -> str:
    """Return a name that stays inside the sink's folder, whatever the type is called."""
    return re.sub(r"[^\w.]|^\.|^$", "_", event_type, flags=re.ASCII)[:100]
