"""Queries on a run with many Parquet parts, which skip the parts that can't match."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import logflume
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.sinks.jsonl import JsonlSink
from logflume.sinks.parquet.sink import ParquetSink
from tests.event_helpers import finished_event
from tests.query.training_run import log_steps, start


def test_the_worst_of_many_parts(tmp_path: Path) -> None:
    """The worst completions are found in whichever parts they are."""
    run = start(tmp_path)
    for step in range(1, 31):
        log_steps([step])
        logflume.flush()
    assert 30 == len(list(run.folder.glob("parquet/model_output/*.parquet")))
    opened = logflume.open_run(run.folder)
    outputs = [e for e in opened if e["event"] == "model_output"]
    for options, steps in (
        ({"steps": (7, 23)}, range(7, 24)),
        ({"steps": 9}, [9]),
        ({}, range(31)),
    ):
        of_steps = [e for e in outputs if e["step"] in steps]
        expected = sorted(of_steps, key=lambda e: (e["rewards/total"], e["step"], e["seq"]))[:5]
        rows = opened.outputs(worst=5, **options).to_pylist()
        assert [e["seq"] for e in expected] == [row["seq"] for row in rows]
        assert [e["model_output"] for e in expected] == [row["model_output"] for row in rows]
        rows = opened.outputs(last=3, **options).to_pylist()
        assert [e["seq"] for e in of_steps[-3:]] == [row["seq"] for row in rows]
    logflume.shutdown()


def test_types_that_share_a_folder(tmp_path: Path) -> None:
    """Types whose names differ only in what a folder's name can't have are counted apart."""
    run = RunInfo(run="r", dir=tmp_path)
    batches = (["na_ve"], ["na ve", "na_ve"], ["na ve"], ["na_ve"])
    parquet = ParquetSink(run.expand("{dir}/{run}/parquet"), run=run)
    journal = JsonlSink(run.expand("{dir}/{run}/events.jsonl"))
    seq = count()
    for batch in batches:
        events = [finished_event(event_type, seq=next(seq), x=1.0) for event_type in batch]
        journal.write(events)
        parquet.write(events)
        parquet.flush()
    journal.write([finished_event("na ve", seq=next(seq), x=2.0)])  # no part has it
    journal.close()
    RunState(run="r", attempt=0, started="2026-01-01T00:00:00Z").save(run)
    opened = logflume.open_run(run.folder)
    assert 4 == len(list(run.folder.glob("parquet/na_ve/*.parquet")))
    assert {"na_ve": 3, "na ve": 3} == opened.types()
    assert [3, 3] == [len(opened.events(event_type)) for event_type in ("na_ve", "na ve")]
    parquet.compact()
    assert {"na_ve": 3, "na ve": 3} == logflume.open_run(run.folder).types()
    parquet.close()
