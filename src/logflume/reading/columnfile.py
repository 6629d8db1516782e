"""Single columns of Parquet files, and what the footer tells of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logflume.exceptions import RunError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["count_values", "open_part", "read_column"]


@contextmanager
def open_part(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for a while.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
        RunError: It is damaged, as is noticed here or while it is read.
    """
    import pyarrow as pa

    # Not `read_table`: that one takes a folder named `a=b`, a run's say, for a column.
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path}: this part can't be read: {str(error).rstrip('.')}. "
            "`logflume doctor RUN --fix` makes it anew from the journal"
        ) from error


def read_column(path: Path, name: str) -> pa.ChunkedArray[Any]:
    """Return one column of a Parquet file.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        return file.read(columns=[name])[name]


def count_values(path: Path, name: str) -> Counter[str]:
    """Return how often each value of a column of texts is there.

    Where the footer says that all are the same, nothing else is read.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        footer = file.metadata
        place = next(i for i in range(footer.num_columns) if footer.schema.column(i).path == name)
        counts: Counter[str] = Counter()
        for index in range(footer.num_row_groups):
            group: Any = footer.row_group(index)
            statistics = group.column(place).statistics
            if _is_constant(statistics):
                counts[statistics.min] += group.num_rows
            else:
                values: Any = file.read_row_group(index, columns=[name])[name].value_counts()
                counts.update({each["values"]: each["counts"] for each in values.to_pylist()})
    return counts


def _is_constant(statistics: Any) -> bool:
    if statistics is None or not statistics.has_min_max or statistics.null_count:
        return False
    return bool(statistics.min == statistics.max)
