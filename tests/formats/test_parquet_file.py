"""What a small Parquet file may become when it is read is limited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from logflume.formats.parquet_file import ParquetFile

ROWS = 1_000_000


def write(path: Path, values: pa.Array[Any], groups: int = 1) -> Path:
    """Write a column `a` of `values`, in a number of row groups, and a column `b` of numbers."""
    table = pa.table({"b": pa.repeat(pa.scalar(1), len(values)), "a": values})
    with pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False) as writer:
        for _ in range(groups):
            writer.write_table(table)
    return path


def repeated(text: str, rows: int) -> pa.Array[Any]:
    indices = pa.repeat(pa.scalar(0, pa.int32()), rows)
    return pa.DictionaryArray.from_arrays(indices, pa.array([text]))


def lists_of(length: int, rows: int) -> pa.Array[Any]:
    offsets = pa.array(range(0, rows * length + 1, length), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.repeat(pa.scalar(0.5), rows * length))


BOMBS = {
    "a text of a dictionary": (repeated("x" * 100_000, ROWS), 1),
    "many groups with one": (repeated("x" * 1_000_000, 100), 8),
    "long lists": (lists_of(100_000, 100), 10),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bomb(bomb: str, tmp_path: Path) -> None:
    """Texts or lists that would take gigabytes are refused, before they take two of them."""
    path = write(tmp_path / "bomb.parquet", *BOMBS[bomb])
    assert path.stat().st_size < 1_000_000

    with ParquetFile(path) as file:
        assert file.metadata.num_rows == len(file.read(["b"]))
        with pytest.raises(OSError, match="more than 1,000 times its size"):
            file.read(["a"])
    assert (pa.default_memory_pool().max_memory() or 0) < 2 * 2**30


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["x" * 20_000, None, "y" * 19_000] * 2_000),
        pa.array([["a" * 300_000], [], None, ["b", None]] * 300),
        repeated("x" * 5_000, 20_000),
        pa.array([{"inner": "x" * 100_000, "b": 1}] * 1_000),
    ],
    ids=["texts", "lists", "one text", "structs"],
)
def test_what_repeats_is_read(values: pa.Array[Any], tmp_path: Path) -> None:
    """Texts that repeat are read, in batches or not, as pyarrow reads them."""
    path = write(tmp_path / "a.parquet", values, groups=2)
    expected = pq.ParquetFile(path).read()

    with ParquetFile(path) as file:
        assert expected.equals(file.read(["b", "a"]))
        assert expected.slice(len(values)).equals(file.read(["b", "a"], [1]))
        batches = list(file.batches(700))
    assert max(batch.num_rows for batch in batches) <= 700
    assert expected.equals(pa.Table.from_batches(batches))


def test_no_groups(tmp_path: Path) -> None:
    """No row groups give no rows, with the columns."""
    with ParquetFile(write(tmp_path / "a.parquet", pa.array(["a"]))) as file:
        assert (0, ["a"]) == (len(table := file.read(["a"], [])), table.column_names)


def test_lists_of_different_names(tmp_path: Path) -> None:
    """Files whose columns differ only in the names of lists are not taken for equal."""
    for name in ("first", "second"):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"x": [1], name: [[0.5, 1.5]]}), path, store_schema=False)
        with ParquetFile(path) as file:
            assert ["x", name] == file.schema_arrow.names
            assert [[0.5, 1.5]] == file.read([name])[name].to_pylist()
