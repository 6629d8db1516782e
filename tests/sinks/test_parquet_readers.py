"""Common readers on the folder of an event type, after and while the sink writes it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from logflume.runs.info import RunInfo
from logflume.sinks.parquet.sink import ParquetSink
from tests.event_helpers import finished_event

RUN = RunInfo(run="r")
NAN = float("nan")
PARTS: list[dict[str, Any]] = [{}, {"x": [0.5, None, NAN]}, {"x": [], "y": "b", "z": True}]

ABSENT_FILE = (duckdb.IOException, FileNotFoundError)

Tolerated = dict[str, tuple[type[Exception], ...]]
"""The errors after which each reader may try again."""

Read = Callable[[Path], list[Any]]
"""Returns the column `x` of a folder."""


def read_duckdb(folder: Path) -> list[Any]:
    with duckdb.connect() as connection:
        rows = connection.execute(f"select x from read_parquet('{folder}/*.parquet') order by seq")
        return [x for (x,) in rows.fetchall()]


def read_duckdb_deep(folder: Path) -> list[Any]:
    with duckdb.connect() as connection:
        rows = connection.execute(f"select x from '{folder.parent}/**/*.parquet' order by seq")
        return [x for (x,) in rows.fetchall()]


def read_pandas(folder: Path) -> list[Any]:
    return [None if x is None else x.tolist() for x in pd.read_parquet(folder)["x"]]


READERS: dict[str, Read] = {
    "duckdb": read_duckdb,
    "duckdb **": read_duckdb_deep,
    "pandas": read_pandas,
    "polars": lambda folder: pl.read_parquet(f"{folder}/*.parquet")["x"].to_list(),
    "polars folder": lambda folder: pl.read_parquet(folder)["x"].to_list(),
    "pyarrow.dataset": lambda folder: ds.dataset(folder).to_table()["x"].to_pylist(),
    "pyarrow.parquet": lambda folder: pq.read_table(folder)["x"].to_pylist(),
}


def make_event(seq: int, fields: dict[str, Any]) -> dict[str, Any]:
    return finished_event(**{"seq": seq, **fields})


def write_parts(path: Path) -> None:
    """Write three parts, each with a column that the previous ones didn't have."""
    sink = ParquetSink(path, run=RUN)
    for seq, fields in enumerate(PARTS):
        sink.write([make_event(seq, fields)])
        sink.flush()


@pytest.mark.parametrize("name", READERS)
def test_every_reader_reads_parts_written_with_other_columns(tmp_path: Path, name: str) -> None:
    """Readers need no `union_by_name` and no schema, only the folder."""
    write_parts(tmp_path / "parquet")
    assert 3 == len(list((tmp_path / "parquet/probe").iterdir()))
    found = READERS[name](tmp_path / "parquet/probe")
    null = NAN if name == "pandas" else None
    assert repr([None, [0.5, null, NAN], []]) == repr(found)


def test_datasets_reads_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets.load_dataset` loads the folder, for fine-tuning or the hub."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    write_parts(tmp_path / "parquet")
    found = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "parquet/probe/*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert [None, None, "b"] == found["y"][:]
    assert [None, None, True] == found["z"][:]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders")
def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A new column or a merge replaces the folder instead of changing files in it."""
    folder = tmp_path / "probe"
    with closing(ParquetSink(tmp_path, run=RUN)) as sink:
        inodes = []
        for seq, fields in enumerate([{}, {}, {"x": 0.5}]):
            sink.write([make_event(seq, fields)])
            sink.flush()
            inodes.append(folder.stat().st_ino)
    inodes.append(folder.stat().st_ino)
    assert [True, False, False] == [a == b for a, b in pairwise(inodes)]
    assert not folder.is_symlink()


class RepeatedReader:
    """Reads a folder repeatedly in a thread, and records the number of rows."""

    def __init__(self, read: Read, folder: Path, tolerated: tuple[type[Exception], ...]) -> None:
        self.counts: list[int] = []
        self.error: Exception | None = None
        self._read = read
        self._folder = folder
        self._tolerated = tolerated
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        # The pause leaves the writer some of the cores.
        while not self._stopping.wait(0.005):
            try:
                self.counts.append(len(self._read(self._folder)))
            except self._tolerated:
                continue
            except Exception as error:  # noqa: BLE001 - the test shows it
                self.error = error
                return

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        if self.error is not None:
            raise self.error


def read_while_writing(
    path: Path, events: list[dict[str, Any]], tolerated: Tolerated
) -> dict[str, list[int]]:
    """Write a part for each event while readers loop, and return the row counts of each."""
    with closing(ParquetSink(path, run=RUN)) as sink, ExitStack() as readers:
        sink.write([make_event(0, {"x": [0.5]})])
        sink.flush()
        loops = {
            name: RepeatedReader(READERS[name], path / "probe", tolerated[name])
            for name in tolerated
        }
        for loop in loops.values():
            readers.callback(loop.stop)
        for event in events:
            sink.write([event])
            sink.flush()
    return {name: loop.counts for name, loop in loops.items()}


def test_readers_continue_while_columns_are_added(tmp_path: Path) -> None:
    """While all parts get new columns 24 times, readers neither raise nor miss or repeat rows.

    Polars is an exception: it remembers the file sizes from its listing, so it may raise and
    has to read again.
    """
    events = [make_event(seq, {f"f{seq}": 1.0}) for seq in range(1, 25)]
    never_failing = ["duckdb", "duckdb **", "pandas"]
    tolerated: Tolerated = dict.fromkeys(never_failing, ())
    tolerated["polars"] = (pl.exceptions.PolarsError,)
    for counts in read_while_writing(tmp_path / "parquet", events, tolerated).values():
        assert sorted(counts) == counts
        assert set(counts) <= set(range(1, 26))


def test_readers_never_count_wrongly_while_parts_are_merged(tmp_path: Path) -> None:
    """While parts are merged, readers may raise for files that are gone, but never miss rows."""
    events = [make_event(seq, {"x": [1.0]}) for seq in range(1, 140)]
    tolerated: Tolerated = dict.fromkeys(["duckdb", "polars", "pyarrow.dataset"], ABSENT_FILE)
    for counts in read_while_writing(tmp_path / "parquet", events, tolerated).values():
        assert sorted(counts) == counts
        assert set(counts) <= set(range(1, 141))
