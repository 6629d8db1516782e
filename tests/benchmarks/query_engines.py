"""Query functions for each system that `read_cost` compares; a system is imported when first used.

A query reads the data into memory and returns the count and the sum of the values, so that the
results of different systems can be compared.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "MEANS",
    "TOTAL",
    "Dataset",
    "Query",
    "QueryResult",
    "duckdb_query",
    "journal_query",
    "logflume_query",
    "tensorboard_query",
    "trackio_query",
]

MEANS = [f"rewards/{name}/mean" for name in ("correctness", "format", "brevity")]
TOTAL = ["rewards/total"]


class Dataset(NamedTuple):
    """The data to query.

    Attributes:
        folder: The folder of all runs.
        step: The step whose completions are queried.
        events: The number of events in the run, or in all runs.
    """

    folder: Path
    step: int
    events: int


class QueryResult(NamedTuple):
    """The result of a query.

    Attributes:
        numbers: How many values were read; None if only a share of the events was read.
        total: Their sum.
        share: That share.
    """

    numbers: int | None
    total: float
    share: float = 1.0


Query = Callable[[Dataset], QueryResult]


def logflume_query(
    select: Callable[[Any, int], Any], runs: str, names: Sequence[str] = ()
) -> Query:
    """Return a query that uses logflume's API.

    Args:
        select: Gets the run or the runs, and the step; returns a table or a number.
        runs: The folder of a run, or a pattern for several.
        names: The columns of the table to count and sum.
    """

    def query(dataset: Dataset) -> QueryResult:
        import logflume

        path = dataset.folder / runs
        opened = logflume.open_runs(path) if "*" in runs else logflume.open_run(path)
        selected = select(opened, dataset.step)
        return _of_table(selected.arrow, names) if names else QueryResult(1, float(selected))

    return query


def duckdb_query(sql: str, names: Sequence[str]) -> Query:
    """Return a query that runs SQL in DuckDB on the Parquet files, without logflume.

    Args:
        sql: The statement, with the placeholders `{folder}` and `{step}`.
        names: The columns to count and sum.
    """

    def query(dataset: Dataset) -> QueryResult:
        import duckdb

        with duckdb.connect() as connection:
            relation = connection.sql(sql.format(folder=dataset.folder, step=dataset.step))
            return _of_table(relation.to_arrow_table(), names)

    return query


def tensorboard_query(runs: str) -> Query:
    """Return a query that reads all points of the curves with TensorBoard's `EventAccumulator`."""

    def query(dataset: Dataset) -> QueryResult:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        values: list[float] = []
        for path in sorted(dataset.folder.glob(runs)):
            events = EventAccumulator(str(path), size_guidance={"scalars": 0})
            events.Reload()
            tags = set(events.Tags()["scalars"])
            values += [e.value for tag in MEANS if tag in tags for e in events.Scalars(tag)]
        return _of_numbers(values)

    return query


def trackio_query(project: str) -> Query:
    """Return a query that reads a project with trackio's storage class."""

    def query(_: Dataset) -> QueryResult:
        # trackio runs in a virtual environment of its own, without logflume's dependencies.
        storage: Any = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
        runs = storage.get_runs(project)
        logs = (log for run in runs for log in storage.get_logs(project, run))
        return _of_numbers(log[name] for log in logs for name in MEANS if name in log)

    return query


def journal_query(files: str, event_type: str, columns: list[str]) -> Query:
    """Return a query that reads two journal files with pandas, in chunks to limit memory.

    Args:
        files: A pattern for the journal files.
        event_type: The event type to select; of `model_output` only the step.
        columns: The columns to keep.
    """

    def query(dataset: Dataset) -> QueryResult:
        import pandas as pd

        frames, rows = [], 0
        for path in sorted(dataset.folder.glob(files))[:2]:
            for chunk in pd.read_json(_open(path), lines=True, chunksize=20_000):
                selected = chunk["event"] == event_type
                if event_type == "model_output":
                    selected &= chunk["step"] == dataset.step
                frames.append(chunk[selected].reindex(columns=columns))
                rows += len(chunk)
        pd.concat(frames)
        return QueryResult(None, 0.0, rows / dataset.events)

    return query


def _of_table(table: Any, names: Sequence[str]) -> QueryResult:
    import pyarrow.compute as pc

    columns = [table[name] for name in names]
    numbers = sum(len(column) - column.null_count for column in columns)
    return QueryResult(numbers, sum(pc.sum(column).as_py() for column in columns))


def _of_numbers(values: Iterable[float]) -> QueryResult:
    numbers = list(values)
    return QueryResult(len(numbers), sum(numbers))


def _open(path: Path) -> Any:
    if path.suffix != ".zst":
        return path.open(encoding="utf-8")
    import pyarrow as pa

    return io.TextIOWrapper(io.BufferedReader(pa.CompressedInputStream(str(path), "zstd")), "utf-8")
