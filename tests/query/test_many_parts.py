"""Queries on a run with many Parquet parts, which skip the parts that can't match."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import logflume
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
    logflume.shutdown()


def test_types_that_share_a_folder(tmp_path: Path) -> None:
    """Types whose names differ only in what a folder's name can't have are counted apart."""
    run = start(tmp_path)
    log = logflume.get_training_logger()
    for batch in (["na_ve"], ["naïve", "na_ve"], ["naïve"], ["na_ve"]):
        for event_type in batch:
            log.info(event_type, x=1.0)
        logflume.flush()
    log.info("naïve", x=2.0)
    live = shutil.copytree(run.folder, tmp_path / "live")
    logflume.shutdown()
    for folder in (live, run.folder):
        opened = logflume.open_run(folder)
        expected = Counter(event["event"] for event in opened)
        assert {"naïve", "na_ve"} < expected.keys()
        assert expected == opened.types()
        for event_type in ("naïve", "na_ve"):
            assert expected[event_type] == len(opened.events(event_type))
