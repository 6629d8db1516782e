"""Opens Parquet files, and reads their rows with limits on what a small file may become.

In a few kilobytes a Parquet file can have billions of values: one long text in a dictionary and a
run of indices of it, or lists that repeat one number. The footer states the number of values, and
the size of a column's pages, but not that of its texts. So numbers are judged by the footer, and
texts are read in batches that stay small even if each text is as long as the dictionary.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from logflume.runs.safe_files import open_file

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["MAX_ROWS", "ParquetFile"]

MAX_ROWS = 2_000_000
"""Of a part, at most. The sink merges parts up to half of it; a small file may claim any number."""

MAX_RATIO = 1_000
LEAST_BYTES = 2**29
"""In memory, events may take 1,000 times the size of their file, and in any case 512 MB. Each event
has a time of its own, so the file has at least a few bytes for it."""

_BATCH_BYTES = 2**28
"""Maximum size of a batch if all of its texts are as long as the dictionary."""

_VALUE_BYTES = 8
"""Maximum size of a number in memory."""


_SMALL_BYTES = 2**18
"""A file up to this size is read at once: each column would be a call to the system."""

_MAX_KNOWN = 16


class _Columns:
    """The columns of files with equal schemas.

    The files of many ranks have the same columns. Going through them in each file takes as long as
    reading it.

    Args:
        schema: Their schema.
    """

    known: ClassVar[tuple[_Columns, ...]] = ()

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._numbers: dict[frozenset[str] | None, tuple[list[int], list[int]]] = {}

    @classmethod
    def of_file(cls, file: pq.ParquetFile) -> _Columns:
        """Return the columns of a file."""
        own = file.schema_arrow
        found = next(
            (one for one in cls.known if one.schema.equals(own, check_metadata=True)), None
        )
        if found is None:
            found = cls(own)
            # Replaced, never changed: other threads may go through it.
            cls.known = (found, *cls.known[: _MAX_KNOWN - 1])
        return found

    def numbers(
        self, footer: pq.FileMetaData, columns: Sequence[str] | None
    ) -> tuple[list[int], list[int]]:
        """Return the numbers of the Parquet columns of some columns: of texts, and of others."""
        if not footer.num_row_groups:
            return [], []
        names = None if columns is None else frozenset(columns)
        if names not in self._numbers:
            if len(self._numbers) >= _MAX_KNOWN:
                self._numbers = {}
            self._numbers[names] = _find_columns(footer, names)
        return self._numbers[names]


class ParquetFile:
    """An open Parquet file, whose rows are read within the limits.

    Args:
        path: The file.

    Attributes:
        metadata: Its footer.
        schema_arrow: Its columns: the same object for the files of many ranks.

    Raises:
        OSError: It is not a regular file, or has more than `MAX_ROWS` rows.
        pa.ArrowException: It is damaged.
    """

    def __init__(self, path: Path) -> None:
        # Not `read_table`, which takes a folder named `a=b`, such as a run's, for a partition
        # column.
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        with open(path, "rb", opener=open_file) as file:
            self._size_bytes = os.fstat(file.fileno()).st_size
            source: Any = path
            if self._size_bytes <= _SMALL_BYTES:
                source = pa.BufferReader(file.read(_SMALL_BYTES))
        self._file = pq.ParquetFile(source, pre_buffer=False, page_checksum_verification=True)
        self.metadata: pq.FileMetaData = self._file.metadata
        if self.metadata.num_rows > MAX_ROWS:
            self.close()
            raise self._refusal(f"{self.metadata.num_rows:,} rows, of at most {MAX_ROWS:,}")
        self._columns = _Columns.of_file(self._file)
        self.schema_arrow: pa.Schema = self._columns.schema

    def __enter__(self) -> ParquetFile:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def statistics(self, group: int, name: str) -> Any:
        """Return the statistics of a column in a row group; None if there are none."""
        number = self._find_column(self.schema_arrow.get_field_index(name), name)
        return None if number is None else self.metadata.row_group(group).column(number).statistics

    def check_size(self) -> None:
        """Check the footer, for a reader that has no limits of its own.

        Raises:
            OSError: Numbers, and the pages with texts, of all columns exceed the limit.
        """
        self._worst_bytes(None, range(self.metadata.num_row_groups))

    def read(self, columns: Sequence[str], groups: Sequence[int] | None = None) -> pa.Table:
        """Return some columns.

        Args:
            columns: Their names.
            groups: The row groups to read; None: all.

        Raises:
            OSError: They take more than the limit.
            pa.ArrowException: The file is damaged.
        """
        import pyarrow as pa

        groups = range(self.metadata.num_row_groups) if groups is None else groups
        if sum(self._worst_bytes(columns, groups)) <= _BATCH_BYTES:
            # One thread: the CPU cores belong to the training.
            return self._file.read_row_groups(list(groups), list(columns), use_threads=False)
        schema = self._file.read_row_groups([], list(columns)).schema
        return pa.Table.from_batches(self.batches(MAX_ROWS, columns, groups), schema)

    def batches(
        self,
        max_rows: int,
        columns: Sequence[str] | None = None,
        groups: Sequence[int] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches.

        Args:
            max_rows: The most rows of a batch.
            columns: Their names; None: all.
            groups: The row groups to read; None: all.

        Raises:
            OSError: All of them together take more than the limit.
            pa.ArrowException: The file is damaged.
        """
        names = None if columns is None else list(columns)
        groups = range(self.metadata.num_row_groups) if groups is None else groups
        left_bytes = self._max_bytes()
        for group, worst_bytes in zip(groups, self._worst_bytes(columns, groups), strict=True):
            rows = self.metadata.row_group(group).num_rows
            size = max(1, min(max_rows, rows * _BATCH_BYTES // max(1, worst_bytes)))
            for batch in self._file.iter_batches(size, [group], names, use_threads=False):
                left_bytes -= batch.nbytes
                if left_bytes < 0:
                    raise self._refusal(_TOO_LARGE)
                yield batch

    def _find_column(self, index: int, name: str) -> int | None:
        """Return the number of a Parquet column: that of the field, unless a struct precedes it."""
        if index < 0:
            return None
        first: Any = self.metadata.row_group(0)
        if index < self.metadata.num_columns and first.column(index).path_in_schema == name:
            return index
        columns = _columns_of_first_group(self.metadata)
        return next((n for n, one in enumerate(columns) if one.path_in_schema == name), None)

    def _max_bytes(self) -> int:
        return max(LEAST_BYTES, MAX_RATIO * self._size_bytes)

    def _worst_bytes(self, columns: Sequence[str] | None, groups: Sequence[int]) -> list[int]:
        """Return the most bytes that some columns may take in memory, for each row group.

        Raises:
            OSError: Their numbers alone, and the pages with their texts, exceed the limit.
        """
        texts, numbers = self._columns.numbers(self.metadata, columns)
        certain_bytes = 0
        worst = []
        for index in groups:
            group: Any = self.metadata.row_group(index)
            of_group = texts_bytes = 0
            for column in map(group.column, numbers):
                of_group += column.total_uncompressed_size + column.num_values * _VALUE_BYTES
            for column in map(group.column, texts):
                size = column.total_uncompressed_size
                of_group += size
                if column.has_dictionary_page:
                    texts_bytes += column.num_values * size
            certain_bytes += of_group
            worst.append(of_group + texts_bytes)
        if certain_bytes > LEAST_BYTES and certain_bytes > self._max_bytes():
            raise self._refusal(_TOO_LARGE)
        return worst

    def _refusal(self, problem: str) -> OSError:
        return OSError(errno.EFBIG, problem, str(self._path))


_TEXTS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_TOO_LARGE = f"more than {MAX_RATIO:,} times its size, and more than 512 MB, when it is read"


def _columns_of_first_group(footer: pq.FileMetaData) -> list[pq.ColumnChunkMetaData]:
    """Return the Parquet columns; none of a file without rows.

    Not from `footer.schema`: footer and schema would refer to each other, so that the footer, which
    may take megabytes, stays in memory until Python looks for such cycles.
    """
    if not footer.num_row_groups:
        return []
    group = footer.row_group(0)
    return [group.column(number) for number in range(group.num_columns)]


def _find_columns(
    footer: pq.FileMetaData, names: frozenset[str] | None
) -> tuple[list[int], list[int]]:
    """Return the numbers of the Parquet columns of texts, and of others, with nested ones."""
    found: tuple[list[int], list[int]] = ([], [])
    for number, column in enumerate(_columns_of_first_group(footer)):
        if names is None or not names.isdisjoint(_prefixes(column.path_in_schema)):
            found[column.physical_type not in _TEXTS].append(number)
    return found


def _prefixes(path: str) -> Iterator[str]:
    """Yield the names that select a Parquet column: `a.b.c`, `a.b` and `a`."""
    yield path
    while "." in path:
        path = path.rpartition(".")[0]
        yield path
