"""Check of Parquet parts against the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logflume.formats.parquet import folder_name, is_part_name
from logflume.maintenance.differences import Comparison
from logflume.maintenance.event_checksum import event_checksum
from logflume.maintenance.sink_files import SinkFile
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetCheck"]

_BATCH_ROWS = 1_024
_KEYS = frozenset({"run", "rank", "attempt", "seq"})
_TRIES = 20
_READ_ALL = "select bit_xor(hash(part)) from read_parquet(?) as part"
_UNREADABLE = "unreadable part"
_FOREIGN_ROWS = "rows that belong to no event of this run"


class ParquetCheck:
    """Reads every part completely, and compares every row.

    The constructor reads the parts.

    Args:
        sink_file: The folder of parts.
        is_live: Whether a process is writing the run.
    """

    def __init__(self, sink_file: SinkFile, is_live: bool) -> None:
        self._sink_file = sink_file
        self._duckdb: Any = None
        for _ in range(_TRIES):
            self._faults: Counter[tuple[str, str]] = Counter()
            self._comparison = Comparison(sink_file.label, is_live)
            try:
                self._read()
            except FileNotFoundError:
                continue  # parts were merged meanwhile
            return

    @property
    def unknown(self) -> int:
        """Number of rows whose events are not in the journal."""
        return self._comparison.unknown

    @property
    def is_readable(self) -> bool:
        """Whether all parts could be read."""
        return not any(what in (_UNREADABLE, _FOREIGN_ROWS) for _, what in self._faults)

    def compare(self, events: Sequence[Event]) -> None:
        """Look up the rows of events."""
        for event in events:
            location = f"{self._sink_file.label}/{folder_name(event['event'])}"
            is_expected = self._sink_file.accepts(event)
            self._comparison.match(location, event, is_expected, partial(event_checksum, event))

    def issues(self) -> list[Issue]:
        """Return what is wrong with the parts."""
        if self._duckdb is not None:
            self._duckdb.close()
        faults = [Issue(file, what, n, FIX) for (file, what), n in sorted(self._faults.items())]
        return faults + self._comparison.issues()

    def _read(self) -> None:
        for folder in _folders(self._sink_file.path):
            label = f"{self._sink_file.label}/{folder.name}"
            schemas = set()
            for path in sorted(p for p in folder.iterdir() if is_part_name(p.name)):
                schema = self._read_part(path, label)
                if schema is not None:
                    schemas.add(tuple((field.name, str(field.type)) for field in schema))
            if len(schemas) > 1:
                self._faults[(label, "parts with different schemas")] = len(schemas)

    def _read_part(self, path: Path, label: str) -> pa.Schema | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                if not set(file.schema_arrow.names) >= _KEYS:
                    raise pa.ArrowInvalid("columns of events are missing")
                for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                    self._add(batch, label)
                self._read_with_duckdb(path)
                return file.schema_arrow
        except FileNotFoundError:
            raise
        # Arrow raises ArrowInvalid for damaged data, or returns invalid texts and numbers.
        except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException):
            self._faults[(f"{label}/{path.name}", _UNREADABLE)] += 1
            return None

    def _read_with_duckdb(self, path: Path) -> None:
        """Read a part with DuckDB if it is installed: it validates headers that Arrow ignores.

        Raises:
            OSError: DuckDB can't read the part.
        """
        try:
            import duckdb
        except ImportError:
            return
        self._duckdb = self._duckdb or duckdb.connect(config={"threads": 1})
        try:
            self._duckdb.execute(_READ_ALL, [str(path)])
        except duckdb.Error as error:
            raise (OSError if path.exists() else FileNotFoundError)(str(error)) from error

    def _add(self, batch: pa.RecordBatch, label: str) -> None:
        run = self._sink_file.run
        for row in _rows(batch):
            owner = (row.get("run"), row.get("rank"))
            attempt, seq = row.get("attempt"), row.get("seq")
            if owner == (run.run, run.rank) and attempt is not None and seq is not None:
                self._comparison.add_row(label, attempt, seq, event_checksum(row))
            elif not self._sink_file.is_shared:
                self._faults[(label, _FOREIGN_ROWS)] += 1


def _folders(path: Path) -> list[Path]:
    paths = path.iterdir() if path.is_dir() else []
    return sorted(p for p in paths if p.is_dir() and not p.name.startswith("."))


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    names = batch.schema.names
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in batch.columns
    ]
    for values in zip(*columns, strict=True):
        yield {n: v for n, v in zip(names, values, strict=True) if v is not None}
