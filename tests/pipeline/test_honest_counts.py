"""A sink's count is what is in its files: at a full disk, and after a queue that overflowed."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import structlog

import logflume
from logflume.runtime.lifecycle import report
from tests.event_helpers import JOURNAL, own, read
from tests.fake_sinks import HangingSink, HeldSink, wait_until
from tests.scripts import Script


@pytest.mark.usefixtures("each_worker")
def test_a_parquet_part_that_cant_be_written(tmp_path: Path) -> None:
    """Events that the last part can't take count as dropped, and `shutdown()` returns False."""
    script = Script(
        tmp_path,
        """
        import json, psutil, random, resource
        config["root"]["sinks"] = ["parquet"]
        start()
        for number in range(1_000):
            log.info("x", number=number)
        logflume.flush()
        for number in range(1_000, 3_000):
            log.info("x", number=number, text=str(random.random()))
        # Parquet holds these events until its part is due; no file may grow beyond 5 kB from here.
        for process in [psutil.Process(), *psutil.Process().children()]:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
        say(logflume.shutdown())
        say(json.dumps(logflume.report().sinks["parquet"]))
        """,
    )
    assert "False" == script.line()
    counts = json.loads(script.line())
    _, errors = script.end()

    tables = [pq.read_table(path) for path in (script.folder / "parquet").glob("*/*.parquet")]
    assert sum(table.num_rows for table in tables) == counts["written"]
    assert 2_000 <= counts["dropped"] == counts["accepted"] - counts["written"]
    assert f"events dropped: parquet {counts['dropped']}" in errors


def test_a_queue_that_overflows_is_backfilled_within_the_run(tmp_path: Path) -> None:
    """Events that find no room in a sink's queue reach it later, once and in order."""
    held = HangingSink.held = HeldSink()
    config = {
        "worker": "thread",
        "buffer": {"block_timeout_s": 0.01},
        "root": {"sinks": ["jsonl", "held"]},
        "sinks": {
            "jsonl": {"path": "{dir}/{run}/events.jsonl"},
            "held": {"type": "tests.fake_sinks:HangingSink", "queue": {"size": 10}},
        },
    }
    run = logflume.initialize(config, dir=tmp_path)
    log = logflume.get_logger()

    def has_reported() -> bool:
        return any(e.get("component") == "held" for e in read(run.folder / "events.jsonl"))

    for number in range(200):
        log.info("x", number=number)
        if number % 20 == 0:
            # Each batch is written by itself: the queue takes some of them, and then none.
            assert wait_until(partial(_has_number, run.folder / "events.jsonl", number))
    assert wait_until(has_reported)
    held.go.set()
    assert logflume.flush()
    assert list(range(200)) == [e["number"] for e in held.events if e["event"] == "x"]
    for number in range(200, 210):
        log.info("x", number=number)
    assert logflume.shutdown()

    assert list(range(210)) == [e["number"] for e in held.events if e["event"] == "x"]
    final = report()
    assert final is not None
    counts = final.sinks["held"]
    assert (0, counts["accepted"]) == (counts["dropped"], counts["written"])
    assert len(held.events) == counts["written"]
    reports = [e for e in held.events if e.get("component") == "held"]
    assert ["limited"] == [e["status"] for e in reports]
    assert own(held.events)


def _has_number(journal: Path, number: int) -> bool:
    return any(event.get("number") == number for event in read(journal))


def _drop_a_third(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    if event.get("number", 1) % 3 == 0:
        raise structlog.DropEvent
    return event


@pytest.mark.parametrize(
    ("worker", "processors"),
    [("thread", ["aggregate_metrics", _drop_a_third]), ("process", ["aggregate_metrics"])],
)
def test_the_totals_agree(worker: str, processors: list[Any], tmp_path: Path) -> None:
    """In every report accepted = written + dropped, whatever processors add or drop."""
    config = {**JOURNAL, "worker": worker, "processors": processors}
    for _attempt in range(3):
        run = logflume.initialize(config, dir=tmp_path, run="r")
        for number in range(10):
            logflume.get_logger().info("training", number=number, step=number, loss=1.0)
        assert logflume.flush()
        during = report()
        assert during is not None
        assert during.accepted == during.written + during.dropped
    logflume.shutdown()
    events = read(run.folder / "events.jsonl")
    reports = [(i, e) for i, e in enumerate(events) if e.get("status") == "report"]
    assert 3 == len(reports)
    for index, last in reports:
        of_attempt = [e for e in events[:index] if e["attempt"] == last["attempt"]]
        assert len(of_attempt) == last["accepted"] == last["written"] + last["dropped"]
        assert last["accepted"] == last["sinks/jsonl/accepted"] == last["sinks/jsonl/written"]
