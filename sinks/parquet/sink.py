"""The sink of Parquet: for each type of event a folder of files that can be read at any moment.

pyarrow is imported with the first table: a process whose pipeline is in another one asks this class
for its options only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from logflume.formats.parquet import folder_name
from logflume.formats.positions import PositionSet
from logflume.protocols import Event
from logflume.runs.info import RunInfo

from .staging import StagingFolder

if TYPE_CHECKING:
    from .table import TypeTable

__all__ = ["ParquetSink"]

_PART_BYTES = 64 * 2**20
_MAX_MEMORY_BYTES = 256 * 2**20


class ParquetSink:
    """Writes `<path>/<event>/part-….parquet`, closed files of one schema a type.

    While the run goes on, any reader reads a type's folder as it is:

    ```python
    duckdb.sql("select step, loss from 'logs/my-run/parquet/training/*.parquet' order by seq")
    pandas.read_parquet("logs/my-run/parquet/training")
    ```

    Every field is a column, with `timestamp` as an instant (microseconds, UTC) and NaN and
    infinities as they are; `nonfinite` is none. What fits no column is in `extras`.

    `write` lets events wait in memory. They become a part at each `flush`, and at the next `write`
    when `rotate_events` of a type wait, or 64 MB of it, or 256 MB of all. A part that is due is
    written before the batch is taken: if that fails (the disk is full), the batch is not taken
    and may be sent again, and what waits waits on. So nothing is lost, doubled or half
    visible, and memory stays bounded.

    Args:
        path: The folder, made if missing. The parts that an earlier attempt left there stay, and
            their columns too; the leftovers of a crash are removed.
        rotate_s: How often the pipeline flushes, in seconds: what readers may lag behind.
        rotate_events: Events of one type that make a part.
        run: The identity of the run: its attempt is that of events that don't tell theirs.

    Raises:
        OSError: The folder can't be made or read.
    """

    detachable = True
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
        self._rotate_events = rotate_events
        self._attempt = run.attempt
        path.mkdir(parents=True, exist_ok=True)
        # The training code may change the working folder.
        self._path = path.resolve()
        self._work = StagingFolder(self._path)
        self._tables: dict[str, TypeTable] = {}
        for folder in self._path.iterdir():
            if folder.is_dir() and not folder.name.startswith("."):
                self._find_table(folder.name)

    def write(self, events: Sequence[Event]) -> None:
        """Write the parts that are due, then let the batch wait.

        Raises:
            OSError: A part could not be written; nothing of the batch was taken.
        """
        self._rotate()
        groups: dict[tuple[str, int], list[Event]] = {}
        for event in events:
            key = (event["event"], event.get("attempt", self._attempt))
            groups.setdefault(key, []).append(event)
        tables = [self._find_table(str(event_type)) for event_type, _ in groups]
        for table, ((_, attempt), group) in zip(tables, groups.items(), strict=True):
            table.take(group, attempt)

    def held(self, run: RunInfo) -> PositionSet:
        """Return the events of a run that the parts have."""
        found = PositionSet()
        for table in self._tables.values():
            for attempt, seq in table.positions(run):
                found.add(attempt, seq)
        return found

    def flush(self) -> None:
        """Write all that waits: when this returns, readers see it.

        Raises:
            OSError: At least one type could not be written; its events wait on.
        """
        try:
            self._each("write_parts", "tidy")
        finally:
            self._work.sweep()

    def close(self) -> None:
        """Write all that waits, and put small parts together.

        Raises:
            OSError: At least one type could not be written.
        """
        try:
            # All is safe before the first type takes its time over being put together.
            self._each("write_parts", "finish")
        finally:
            self._work.close()

    def _find_table(self, event_type: str) -> TypeTable:
        name = folder_name(event_type)
        if name not in self._tables:
            from .table import TypeTable

            self._tables[name] = TypeTable(name, self._path / name, self._work)
        return self._tables[name]

    def _rotate(self) -> None:
        tables = self._tables.values()
        for table in tables:
            table.convert()
        is_full = sum(table.memory_bytes for table in tables) >= _MAX_MEMORY_BYTES
        for table in tables:
            if is_full or table.rows >= self._rotate_events or table.memory_bytes >= _PART_BYTES:
                table.write_parts()
                table.tidy()
        self._work.sweep()

    def _each(self, *methods: str) -> None:
        """Do one thing after another for each type; one that fails doesn't hold back the others."""
        import pyarrow as pa

        errors: list[Exception] = []
        for method, table in product(methods, self._tables.values()):
            try:
                getattr(table, method)()
            except (OSError, pa.ArrowException) as error:
                errors.append(error)
        if errors:
            raise errors[0]
