"""Parquet parts against the journal."""

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
_UNREADABLE = "a part that can't be read"
_STRANGE = "rows of no event of this run"


class ParquetCheck:
    """Every part is read whole, every row compared.

    Args:
        output: The folder of parts.
        is_live: Whether it is being written.
    """

    def __init__(self, output: SinkFile, is_live: bool) -> None:
        self._output = output
        self._duckdb: Any = None
        for _ in range(_TRIES):
            self._faults: Counter[tuple[str, str]] = Counter()
            self._comparison = Comparison(output.label, is_live)
            try:
                self._read()
            except FileNotFoundError:
                continue  # parts were put together meanwhile
            return

    @property
    def unknown(self) -> int:
        """How many rows there are whose events the journal lacks."""
        return self._comparison.unknown

    @property
    def is_readable(self) -> bool:
        """Whether all of it could be read."""
        return not any(what in (_UNREADABLE, _STRANGE) for _, what in self._faults)

    def compare(self, events: Sequence[Event]) -> None:
        """Look for the rows of events."""
        for event in events:
            part = f"{self._output.label}/{folder_name(event['event'])}"
            self._comparison.meet(
                part, event, self._output.wants(event), partial(event_checksum, event)
            )

    def issues(self) -> list[Issue]:
        """Return what is wrong."""
        if self._duckdb is not None:
            self._duckdb.close()
        faults = [Issue(file, what, n, FIX) for (file, what), n in sorted(self._faults.items())]
        return faults + self._comparison.issues()

    def _read(self) -> None:
        for folder in _folders(self._output.path):
            schemas = set()
            for path in sorted(p for p in folder.iterdir() if is_part_name(p.name)):
                schema = self._read_part(path, f"{self._output.label}/{folder.name}")
                if schema is not None:
                    schemas.add(tuple((field.name, str(field.type)) for field in schema))
            if len(schemas) > 1:
                label = f"{self._output.label}/{folder.name}"
                self._faults[(label, "different schemas of its parts")] = len(schemas)

    def _read_part(self, path: Path, label: str) -> pa.Schema | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                if not set(file.schema_arrow.names) >= _KEYS:
                    raise pa.ArrowInvalid("it has not the columns of events")
                for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                    self._add(batch, label)
                self._read_elsewhere(path)
                return file.schema_arrow
        except FileNotFoundError:
            raise
        # Of damaged data Arrow says ArrowInvalid, or makes what is no valid text or number.
        except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException):
            self._faults[(f"{label}/{path.name}", _UNREADABLE)] += 1
            return None

    def _read_elsewhere(self, path: Path) -> None:
        """Let DuckDB read a part, where it is installed: it minds headers that Arrow passes over.

        Raises:
            OSError: It can't be read.
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
        run = self._output.run
        for row in _rows(batch):
            owner = (row.get("run"), row.get("rank"))
            attempt, seq = row.get("attempt"), row.get("seq")
            if owner == (run.run, run.rank) and attempt is not None and seq is not None:
                self._comparison.add(label, attempt, seq, event_checksum(row))
            elif not self._output.is_shared:
                self._faults[(label, _STRANGE)] += 1


def _folders(path: Path) -> list[Path]:
    found = path.iterdir() if path.is_dir() else []
    return sorted(p for p in found if p.is_dir() and not p.name.startswith("."))


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    names = batch.schema.names
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in batch.columns
    ]
    for values in zip(*columns, strict=True):
        yield {n: v for n, v in zip(names, values, strict=True) if v is not None}
