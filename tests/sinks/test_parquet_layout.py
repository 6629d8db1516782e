"""The layout of a part, which lets a query for a step read little of it."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from logflume.runs.info import RunInfo
from logflume.sinks.parquet.sink import ParquetSink
from tests.sinks.test_parquet import make_event

RUN = RunInfo(run="r")


def _only_part(folder: Path) -> pq.ParquetFile:
    (path,) = folder.glob("*.parquet")
    return pq.ParquetFile(path)


def test_rows_are_in_the_order_of_their_steps(tmp_path: Path) -> None:
    """Rows of the same step keep their order, and rows without a step are last."""
    with closing(ParquetSink(tmp_path, run=RUN)) as sink:
        sink.write([make_event(i, step=step) for i, step in enumerate([7, None, 3, 7, 3, None])])
    rows = _only_part(tmp_path / "probe").read(["step", "seq"]).to_pylist()
    assert [(3, 2), (3, 4), (7, 0), (7, 3), (None, 1), (None, 5)] == [
        (row["step"], row["seq"]) for row in rows
    ]


def test_a_step_is_in_few_row_groups(tmp_path: Path) -> None:
    """Row groups have 8 MB each and statistics of their steps, also after parts were merged."""
    generator = random.Random(0)
    with closing(ParquetSink(tmp_path, rotate_events=60, run=RUN)) as sink:
        for first in (0, 60):
            events = [make_event(first + i, step=first + i, text="x" * 2**20) for i in range(60)]
            sink.write(generator.sample(events, k=60))
    file = _only_part(tmp_path / "probe")
    sizes = [file.read_row_group(index).nbytes for index in range(file.num_row_groups)]
    assert 15 == pytest.approx(len(sizes), abs=2)
    assert all(4 * 2**20 < size_bytes < 12 * 2**20 for size_bytes in sizes)
    column = file.schema_arrow.names.index("step")
    groups = [file.metadata.row_group(index).column(column) for index in range(len(sizes))]
    ranges: list[Any] = [group.statistics for group in groups]
    assert list(range(120)) == [n for one in ranges for n in range(one.min, one.max + 1)]


def test_texts_of_each_event_have_no_statistics(tmp_path: Path) -> None:
    """Texts have no statistics: they would make up most of the footer and help no query."""
    with closing(ParquetSink(tmp_path, run=RUN)) as sink:
        sink.write([make_event(seq, text="x" * 1_000, number=seq) for seq in range(10)])
    file = _only_part(tmp_path / "probe")
    row_group = file.metadata.row_group(0)
    known = {
        row_group.column(i).path_in_schema
        for i in range(row_group.num_columns)
        if row_group.column(i).is_stats_set
    }
    assert {"timestamp", "event", "run", "attempt", "rank", "seq", "step", "number"} == known


def test_single_numbers_have_no_dictionary(tmp_path: Path) -> None:
    """Texts and lists of rewards have a dictionary; for numbers it would hold nearly all values."""
    fields: dict[str, Any] = {"number": 0.25, "text": "x", "rewards/f": [1.0, 0.0, 1.0]}
    with closing(ParquetSink(tmp_path, run=RUN)) as sink:
        sink.write([make_event(seq, **fields) for seq in range(10)])
    group = _only_part(tmp_path / "probe").metadata.row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    has_dictionary = {c.path_in_schema.split(".")[0]: c.has_dictionary_page for c in columns}
    assert {"number": False, "text": True, "rewards/f": True} == {
        name: has_dictionary[name] for name in fields
    }
