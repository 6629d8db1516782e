"""What the journal has and another sink lacks is filled in on opening: once each, and in order."""

from __future__ import annotations

import csv
import math
import shutil
import signal
from pathlib import Path
from typing import Any

import duckdb
import pytest

import logflume
from logflume.runs.info import RunInfo
from logflume.sinks.csv import CsvSink
from logflume.sinks.parquet.sink import ParquetSink
from tests.fake_sinks import wait_until
from tests.pipeline.catching_up import (
    CONFIG,
    ONLY_JOURNAL,
    check_all_alike,
    in_csv,
    in_journal,
    in_parquet,
    is_at_rest,
    open_run,
    totals,
)
from tests.scripts import Script

KILLED = f"""
config = {CONFIG!r}
start()
for number in range(3_000):
    log.info("x", number=number, text="line\\nbreak, and \\"quotes\\"", odd=float("nan"))
    if number == 1_000:
        logflume.flush()
say("logged")
wait()
"""


def test_after_a_kill(tmp_path: Path) -> None:
    """The next opening fills in what a killed run left out, NaN and all, and counts it apart."""
    script = Script(tmp_path, KILLED)
    assert "logged" == script.line()
    assert wait_until(lambda: 3_001 == len(in_journal(script.folder)))
    script.process.send_signal(signal.SIGKILL)
    assert -signal.SIGKILL == script.end()[0]
    before = len(in_parquet(script.folder))
    left = len(in_journal(script.folder))
    assert before < left

    folder = open_run(tmp_path)
    logflume.get_logger().info("x", number=-1)
    assert logflume.shutdown()

    check_all_alike(folder)
    assert left - before == totals("parquet")["filled_in"]
    assert is_at_rest("csv")
    assert is_at_rest("parquet")
    odd = duckdb.execute(f"select odd from '{folder}/parquet/x/*.parquet' where number >= 0")
    assert {True} == {math.isnan(value) for (value,) in odd.fetchall()}


def test_again_and_again(tmp_path: Path) -> None:
    """Runs that are killed while they are filled in lose and repeat nothing either."""
    for _ in range(4):
        script = Script(tmp_path, KILLED)
        assert "logged" == script.line()
        script.process.send_signal(signal.SIGKILL)
        script.end()
    folder = open_run(tmp_path)
    assert logflume.shutdown()

    check_all_alike(folder)
    assert list(range(5)) == sorted({attempt for attempt, _ in in_csv(folder)})


def test_flush_waits_for_it(tmp_path: Path) -> None:
    """When `flush()` returns, what was missing can be read, before any event of the attempt."""
    open_run(tmp_path, ONLY_JOURNAL)
    for number in range(500):
        logflume.get_logger().info("x", number=number)
    logflume.shutdown()
    folder = open_run(tmp_path)
    assert logflume.flush()

    check_all_alike(folder)


def test_nothing_is_read_where_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ended well is continued without a look at its journal, or at any sink."""
    open_run(tmp_path)
    logflume.shutdown()
    asked: list[RunInfo] = []
    monkeypatch.setattr(CsvSink, "held", lambda _self, run: asked.append(run))
    folder = open_run(tmp_path)
    logflume.shutdown()

    assert [] == asked
    check_all_alike(folder)


def test_outputs_that_were_removed(tmp_path: Path) -> None:
    """What the user deletes after the run is there again, whole, when the run is continued."""
    folder = open_run(tmp_path)
    logflume.get_logger().info("x", number=1)
    logflume.shutdown()
    shutil.rmtree(folder / "parquet")
    (folder / "all.csv").unlink()
    open_run(tmp_path)
    logflume.shutdown()

    check_all_alike(folder)


def test_only_what_the_sink_wants(tmp_path: Path) -> None:
    """The sink's level and types hold for what is filled in, and so do the loggers' sinks."""
    open_run(tmp_path, ONLY_JOURNAL)
    for event_type in ("x", "y"):
        logflume.get_logger().info(event_type)
        logflume.get_logger().warning(event_type)
    logflume.shutdown()
    csv_sink = {**CONFIG["sinks"]["csv"], "level": "WARNING", "events": ["x"]}
    folder = open_run(tmp_path, csv=csv_sink)
    logflume.shutdown()

    assert [(0, 2)] == in_csv(folder)


def test_a_csv_that_cannot_tell_what_it_has(tmp_path: Path) -> None:
    """With a header of the user's own, nothing is filled in, and nothing twice."""
    own = {"type": "csv", "path": "{dir}/{run}/own.csv", "columns": ["event"]}
    script = Script(tmp_path, f"config = {ONLY_JOURNAL!r}\nstart()\nlogflume.flush()\nos._exit(1)")
    script.end()
    folder = open_run(tmp_path, csv=own)
    logflume.shutdown()

    with (folder / "own.csv").open(newline="", encoding="utf-8") as file:
        events = [row["event"] for row in csv.DictReader(file)]
    assert ["run_started", "run_finished", "pipeline"] == events


def test_lines_that_cannot_be_read(tmp_path: Path) -> None:
    """A damaged line of the journal is left out; the rest is filled in."""
    folder = open_run(tmp_path, ONLY_JOURNAL)
    logflume.shutdown()
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0\0\n" + lines[1][:90] + b"\n" + lines[2])
    open_run(tmp_path)
    logflume.shutdown()

    assert [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)] == in_csv(folder) == in_parquet(folder)


def fail(*_args: Any) -> None:
    raise OSError(28, "No space left on device")


def test_what_was_given_up_at_the_end_of_a_run(tmp_path: Path) -> None:
    """A sink that failed until the run ended has it all after the next, with honest counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CsvSink, "write", fail)
        open_run(tmp_path)
        logflume.get_logger().info("x", number=1)
        assert logflume.shutdown()
    lost = totals("csv")["dropped"]
    assert 0 < lost == totals("csv")["accepted"]
    folder = open_run(tmp_path)
    logflume.shutdown()

    check_all_alike(folder)
    assert lost == totals("csv")["filled_in"]
    assert is_at_rest("csv")


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("no")])
def test_a_fault_while_it_is_filled_in(error: Exception, tmp_path: Path) -> None:
    """A sink that can't tell what it has is a faulty one; the others are filled in all the same."""

    def raise_it(_self: Any, _run: RunInfo) -> None:
        raise error

    open_run(tmp_path, ONLY_JOURNAL)
    logflume.shutdown()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParquetSink, "held", raise_it)
        folder = open_run(tmp_path)
        assert not logflume.flush()
        assert logflume.shutdown()
    assert in_journal(folder) == in_csv(folder)
    assert is_at_rest("parquet")
    open_run(tmp_path)
    logflume.shutdown()

    check_all_alike(folder)


def test_new_events_do_not_wait_for_the_journal_to_be_read(tmp_path: Path) -> None:
    """What is logged meanwhile goes to the journal at once, and to the sink after the old."""
    open_run(tmp_path, ONLY_JOURNAL)
    for number in range(20_000):
        logflume.get_logger().info("x", number=number)
    logflume.shutdown()
    folder = open_run(tmp_path)
    logflume.get_logger().info("x", number=-1)
    assert wait_until(lambda: (1, 1) == in_journal(folder)[-1])
    assert logflume.shutdown()

    check_all_alike(folder)
