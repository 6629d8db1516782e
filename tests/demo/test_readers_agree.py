"""The files of a real run, read by programs other than logflume."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import orjson
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from logflume.values.schema import event_schema
from tests.demo.runs import DemoRun

TOTAL = "rewards/total/mean"


@pytest.fixture(scope="session")
def journal(demo_run: DemoRun) -> list[dict[str, Any]]:
    """All events, read with a plain JSON parser."""
    return [orjson.loads(line) for line in _lines(demo_run)]


def test_every_line_is_valid(demo_run: DemoRun, journal: list[dict[str, Any]]) -> None:
    """Every line of the journal validates against the JSON Schema, and `seq` has no gap."""
    validator = jsonschema.Draft202012Validator(event_schema())
    for line in _lines(demo_run):
        validator.validate(json.loads(line))
    assert list(range(len(journal))) == [event["seq"] for event in journal]


def test_parquet_readers_agree(demo_run: DemoRun, journal: list[dict[str, Any]]) -> None:
    """DuckDB, pandas, Polars and pyarrow read the events of the journal from the Parquet tables."""
    types = {event["event"] for event in journal}
    folder = demo_run.folder / "parquet"
    assert types == {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    for event_type in sorted(types):
        expected = [(e["seq"], e["step"]) for e in journal if e["event"] == event_type]
        for rows in _read_with_all(folder / event_type, ["seq", "step"]):
            assert expected == sorted(rows)


def test_parquet_values_agree(demo_run: DemoRun, journal: list[dict[str, Any]]) -> None:
    """All readers return exactly the journal's reward of every step."""
    expected = [(e["step"], e[TOTAL]) for e in journal if e["event"] == "reward"]
    for rows in _read_with_all(demo_run.folder / "parquet" / "reward", ["step", TOTAL]):
        assert expected == sorted(rows)


def test_duckdb_and_pandas_read_the_journal(
    demo_run: DemoRun, journal: list[dict[str, Any]]
) -> None:
    """DuckDB and pandas read the journal itself completely."""
    path = demo_run.folder / "events.jsonl"
    counts = _query(f"select count(*), max(seq) from read_json('{path}')")
    assert [(len(journal), len(journal) - 1)] == counts
    assert len(journal) == len(pd.read_json(path, lines=True))


def test_csv_holds_the_completions(demo_run: DemoRun, journal: list[dict[str, Any]]) -> None:
    """The CSV has one row per completion, with the texts of the journal."""
    outputs = [event for event in journal if event["event"] == "model_output"]
    path = demo_run.folder / "model_outputs.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [event["seq"] for event in outputs] == [int(row["seq"]) for row in rows]
    for event, row in zip(outputs, rows, strict=True):
        text = event["model_output"].replace("\0", "\\x00")  # many readers stop at a NUL
        # Completions that look like a formula are prefixed with an apostrophe.
        assert row["model_output"] == (
            f"'{text}" if text.startswith(("=", "+", "-", "@", "\n")) else text
        )
    assert len(outputs) == len(pd.read_csv(path))
    assert [(len(outputs),)] == _query(f"select count(*) from read_csv('{path}')")


def test_tensorboard_holds_the_curves(demo_run: DemoRun, journal: list[dict[str, Any]]) -> None:
    """TensorBoard's own reader returns the reward of every step, to the precision of its floats."""
    curves = EventAccumulator(str(demo_run.folder / "tensorboard"), size_guidance={"scalars": 0})
    curves.Reload()
    expected = [(e["step"], e[TOTAL]) for e in journal if e["event"] == "reward"]
    scalars = [(point.step, point.value) for point in curves.Scalars(TOTAL)]
    assert [step for step, _ in expected] == [step for step, _ in scalars]
    assert [value for _, value in expected] == pytest.approx([value for _, value in scalars])
    losses = [e["loss"] for e in journal if e["event"] == "training" and "loss" in e]
    assert losses == pytest.approx([point.value for point in curves.Scalars("train/loss")])


def _lines(demo_run: DemoRun) -> list[bytes]:
    return (demo_run.folder / "events.jsonl").read_bytes().splitlines()


def _query(text: str) -> list[tuple[Any, ...]]:
    relation = duckdb.sql(text)
    assert relation is not None
    return relation.fetchall()


def _read_with_all(folder: Path, columns: list[str]) -> list[list[tuple[Any, ...]]]:
    """Return the rows of a table as read by four readers with their defaults."""
    names = ", ".join(f'"{name}"' for name in columns)
    frame = pd.read_parquet(folder)[columns].astype(object)
    return [
        _query(f"select {names} from '{folder}/*.parquet'"),
        list(frame.where(frame.notna(), None).itertuples(index=False, name=None)),
        pl.read_parquet(f"{folder}/*.parquet", columns=columns).rows(),
        [tuple(row.values()) for row in pq.read_table(folder, columns=columns).to_pylist()],
    ]
