"""Batches by column: the same events and files as one by one, and columns up to the sinks."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import logflume
from logflume.logger.channels import CHANNELS
from logflume.pipeline.records import ReceivedBatch, RecordColumns
from logflume.protocols import Event
from logflume.testing import MemorySink, capture_events
from logflume.values.columnar import EventColumns
from tests.length import examples

PROCESSORS = ["tag_step", "flatten_rewards", "measure_generations", "watch_training"]
SINKS = {
    "jsonl": {"path": "{dir}/{run}/events.jsonl"},
    "csv": {"path": "{dir}/{run}/events.csv"},
    "parquet": {"path": "{dir}/{run}/parquet"},
    "tensorboard": {"path": "{dir}/{run}/tb"},
}
COUNTS = ("/accepted", "/written", "/dropped", "/failed")
TIME_S = 2_000_000_000
"""Later than any start of a pipeline, so that no record counts as one from before it."""
TIME_NS = (TIME_S + 1) * 10**9
TIMESTAMP = "2033"
YEAR = 2033

numbers = st.none() | st.floats() | st.integers()
texts = st.none() | st.text(max_size=6) | st.text(st.characters(codec=None), max_size=3)
anything = st.recursive(
    numbers | texts | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "model_output": texts,
    "true_answer": texts | st.integers(),
    "answer": texts,
    "truncated": st.none() | st.booleans(),
    "quality": st.booleans(),
    "rewards/total": numbers,
    "group": st.integers(0, 3),
    "step": st.none() | st.integers(0, 9) | st.sampled_from(["3", 2.0, "x"]),
    "mode": st.none() | st.sampled_from(["train", "eval", "val", "x"]),
    "generation": st.none() | st.integers(0, 2),
    "columns/own": anything,
    "api_key": texts,
    "extras": anything,
    "é": numbers,
    "loss": numbers,
}
_runs = count()


@st.composite
def batches(draw: st.DrawFn) -> RecordColumns:
    """Draw records of one shape: a column mostly has values of one kind, sometimes any."""
    rows = draw(st.sampled_from([1, 16, 18]))
    names = draw(st.lists(st.sampled_from(sorted(STRATEGIES)), unique=True))
    columns = []
    for name in names:
        values = draw(st.sampled_from([STRATEGIES[name], STRATEGIES[name], anything]))
        few = draw(st.lists(values, min_size=1, max_size=3))
        columns.append([few[row % len(few)] for row in range(rows)])
    steps = [draw(st.none() | st.integers(0, 3))] * rows
    modes = [None if step is None else "train" for step in steps]
    event = draw(st.sampled_from(["model_output", "model_output", "probe", "training", "a text"]))
    times_ns = [TIME_NS + row % 3 * 1000 for row in range(rows)]
    return RecordColumns("model", "info", event, times_ns, steps, modes, names, columns)


def log(batches: Sequence[RecordColumns], folder: Path, *, by_column: bool) -> dict[str, Any]:
    """Log records of given batches, and return what is in each output and each counter."""
    config = {
        "root": {"level": "DEBUG", "sinks": list(SINKS)},
        "worker": "thread",
        "processors": [*PROCESSORS, "redact_secrets"],
        "sinks": SINKS,
    }
    folder = folder / str(next(_runs))
    run = logflume.initialize(config, dir=folder, run="r")
    logflume.flush()  # `run_started` comes first
    for batch in batches:
        for item in [batch] if by_column else one_by_one(batch):
            CHANNELS.buffer.put(ReceivedBatch([item], on_written=lambda _seq: None))
    logflume.shutdown()
    return read_outputs(run.folder)


def one_by_one(batch: RecordColumns) -> Iterator[RecordColumns]:
    """Yield the records of a batch, each as it comes if it is sent alone."""
    for row, time_ns in enumerate(batch.times_ns):
        yield batch._replace(
            times_ns=[time_ns],
            steps=[batch.steps[row]],
            modes=[batch.modes[row]],
            columns=[[column[row]] for column in batch.columns],
        )


def read_outputs(folder: Path) -> dict[str, Any]:
    """Return the content of each output of a run, except for what differs between runs."""
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    with (folder / "events.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["timestamp"] > TIMESTAMP]
    for row in rows:  # the order of the names depends on which events were written together
        row["extras"] = json.loads(row["extras"] or "{}")
    parts = {path.name: pq.read_table(path) for path in (folder / "parquet").iterdir()}
    records = [r for path in folder.glob("tb/*") for r in EventFileLoader(str(path)).Load()]
    return {
        "journal": [event for event in lines if event["timestamp"] > TIMESTAMP],
        "csv": rows,
        # As text, in which NaN equals NaN.
        "parquet": {
            name: repr([row for row in part.to_pylist() if row["timestamp"].year == YEAR])
            for name, part in parts.items()
        },
        "tensorboard": [
            record.summary.SerializeToString() for record in records if record.wall_time > TIME_S
        ],
        "counts": [
            {name: value for name, value in event.items() if name.endswith(COUNTS)}
            for event in lines
            if event["event"] == "pipeline"
        ],
    }


ROWS = 20
COMPLETIONS = RecordColumns(
    "model",
    "info",
    "model_output",
    [TIME_NS] * ROWS,
    [1] * ROWS,
    ["train"] * ROWS,
    ["step", "mode", "model_output", "answer", "true_answer", "rewards/total", "columns/kind"],
    [[value] * ROWS for value in (1, "train", "a", "a", "a", 0.5, "b")],
)


@settings(max_examples=examples(30), deadline=None)
@example([COMPLETIONS, COMPLETIONS])
@given(st.lists(batches(), min_size=1, max_size=3).flatmap(lambda few: st.just([*few, *few])))
def test_columns_and_rows_agree(
    tmp_path_factory: pytest.TempPathFactory, batches: list[RecordColumns]
) -> None:
    """A batch by column gives the same files and counts as its records one by one."""
    folder = tmp_path_factory.mktemp("runs")

    assert log(batches, folder, by_column=False) == log(batches, folder, by_column=True)


def run_completions(*processors: Any) -> list[Sequence[Event]]:
    """Log two batches of completions by column; return what the sink got of the second one."""
    sink = KeepingSink()
    with capture_events(*processors, sinks={"memory": sink}):
        for _ in range(2):
            CHANNELS.buffer.put(ReceivedBatch([COMPLETIONS], on_written=lambda _seq: None))
            logflume.flush()
    batches = [batch for batch in sink.batches if batch[0]["event"] == "model_output"]
    return batches[len(batches) // 2 :]


class KeepingSink(MemorySink):
    """Keeps the batches that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Sequence[Event]] = []

    def write(self, events: Sequence[Event]) -> None:
        """Keep the batch."""
        self.batches.append(events)


class Doubling:
    """Doubles the reward of completions, one by one or by column."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        if event_dict["event"] == "model_output":
            self.calls += 1
            event_dict["rewards/total"] *= 2
        return event_dict

    def process_columns(self, columns: dict[str, Sequence[Any]]) -> Any:
        columns["rewards/total"] = [2 * value for value in columns["rewards/total"]]
        return columns


class Failing(Doubling):
    """Raises by column, and one by one for the first event of each batch."""

    def __call__(self, _logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        if event_dict["event"] == "model_output" and self.calls % ROWS == 0:
            self.calls += 1
            raise KeyError("a")
        return super().__call__(_logger, _method, event_dict)

    def process_columns(self, columns: dict[str, Sequence[Any]]) -> Any:
        columns.clear()
        raise KeyError("a")


def test_columns_reach_the_sinks() -> None:
    """The shipped processors keep a batch of completions in columns up to the sinks."""
    (batch,) = run_completions(*PROCESSORS, "redact_secrets", "inject_gpu_stats", "sample_system")

    assert isinstance(batch, EventColumns)
    assert [True] * ROWS == batch.columns["quality/correct"]


def test_a_processor_by_column() -> None:
    """A processor that takes columns isn't called for each event."""
    doubling = Doubling()
    (batch,) = run_completions("tag_step", doubling)

    assert isinstance(batch, EventColumns)
    assert ([1.0] * ROWS, 0) == (batch.columns["rewards/total"], doubling.calls)


def test_a_processor_without_columns_gets_each_event() -> None:
    """One processor that doesn't take columns gets event dicts, and so do all others."""
    doubling = Doubling()
    (batch,) = run_completions(doubling, lambda _logger, _method, event_dict: event_dict)

    assert [1.0] * ROWS == [event["rewards/total"] for event in batch]
    assert 2 * ROWS == doubling.calls


def test_a_processor_that_fails_by_column() -> None:
    """If a processor raises for columns, it gets the events one by one, as they were before."""
    (batch,) = run_completions(Failing())

    assert [0.5, *[1.0] * (ROWS - 1)] == [event["rewards/total"] for event in batch]
    assert ["a"] * ROWS == [event["model_output"] for event in batch]
