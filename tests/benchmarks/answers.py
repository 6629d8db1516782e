"""How each system answers the questions of `read_cost`. One is imported when it is asked only.

An answer is how many numbers there are, and their sum, to compare; the data itself has been read
into memory then.
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
    "Answer",
    "Data",
    "Request",
    "duck",
    "event_files",
    "journal",
    "ours",
    "sqlite",
]

MEANS = [f"rewards/{name}/mean" for name in ("correctness", "format", "brevity")]
TOTAL = ["rewards/total"]


class Data(NamedTuple):
    """What is asked about.

    Attributes:
        folder: Where all runs are.
        step: The step whose completions are asked for.
        events: How many events there are in the run, or in all of them.
    """

    folder: Path
    step: int
    events: int


class Answer(NamedTuple):
    """What was found.

    Attributes:
        numbers: How many numbers; None if only a share of the events was read.
        total: Their sum.
        share: That share.
    """

    numbers: int | None
    total: float
    share: float = 1.0


Request = Callable[[Data], Answer]


def ours(ask: Callable[[Any, int], Any], runs: str, names: Sequence[str] = ()) -> Request:
    """Return what asks logflume's API.

    Args:
        ask: Gets the run, or the runs, and the step; returns a table or a number.
        runs: The run, or a pattern.
        names: The columns of the table that count.
    """

    def answer(data: Data) -> Answer:
        import logflume

        path = data.folder / runs
        opened = logflume.open_runs(path) if "*" in runs else logflume.open_run(path)
        found = ask(opened, data.step)
        return _of_table(found.arrow, names) if names else Answer(1, float(found))

    return answer


def duck(query: str, names: Sequence[str]) -> Request:
    """Return what asks DuckDB, which knows nothing of logflume."""

    def answer(data: Data) -> Answer:
        import duckdb

        with duckdb.connect() as connection:
            relation = connection.sql(query.format(folder=data.folder, step=data.step))
            return _of_table(relation.to_arrow_table(), names)

    return answer


def event_files(runs: str) -> Request:
    """Return what asks TensorBoard's `EventAccumulator` for all points of the curves."""

    def answer(data: Data) -> Answer:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        values: list[float] = []
        for path in sorted(data.folder.glob(runs)):
            events = EventAccumulator(str(path), size_guidance={"scalars": 0})
            events.Reload()
            tags = set(events.Tags()["scalars"])
            values += [e.value for tag in MEANS if tag in tags for e in events.Scalars(tag)]
        return _of_numbers(values)

    return answer


def sqlite(project: str) -> Request:
    """Return what asks trackio's storage class."""

    def answer(_: Data) -> Answer:
        # It has an environment of its own, where nothing else of this repository is installed.
        storage: Any = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
        runs = storage.get_runs(project)
        logs = (log for run in runs for log in storage.get_logs(project, run))
        return _of_numbers(log[name] for log in logs for name in MEANS if name in log)

    return answer


def journal(files: str, event_type: str, columns: list[str]) -> Request:
    """Return what reads journals with pandas, in chunks, for memory's sake; two of them only."""

    def answer(data: Data) -> Answer:
        import pandas as pd

        found, rows = [], 0
        for path in sorted(data.folder.glob(files))[:2]:
            for chunk in pd.read_json(_open(path), lines=True, chunksize=20_000):
                wanted = chunk["event"] == event_type
                if event_type == "model_output":
                    wanted &= chunk["step"] == data.step
                found.append(chunk[wanted].reindex(columns=columns))
                rows += len(chunk)
        pd.concat(found)
        return Answer(None, 0.0, rows / data.events)

    return answer


def _of_table(table: Any, names: Sequence[str]) -> Answer:
    import pyarrow.compute as pc

    there = [table[name] for name in names]
    numbers = sum(len(column) - column.null_count for column in there)
    return Answer(numbers, sum(pc.sum(column).as_py() for column in there))


def _of_numbers(values: Iterable[float]) -> Answer:
    there = list(values)
    return Answer(len(there), sum(there))


def _open(path: Path) -> Any:
    if path.suffix != ".zst":
        return path.open(encoding="utf-8")
    import pyarrow as pa

    return io.TextIOWrapper(io.BufferedReader(pa.CompressedInputStream(str(path), "zstd")), "utf-8")
