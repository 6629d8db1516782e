"""Catch-up of a continued run: missing events are added from the journal, once and in order."""

from __future__ import annotations

import csv
import math
import shutil
import signal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import logflume
from logflume.protocols import Position
from logflume.runs.info import RunInfo
from logflume.sinks.csv import CsvSink
from logflume.sinks.parquet.sink import ParquetSink
from logflume.testing import MemorySink
from tests.fake_sinks import wait_until
from tests.pipeline.catching_up import (
    CONFIG,
    ONLY_JOURNAL,
    check_sinks_agree,
    csv_positions,
    has_nothing_pending,
    journal_positions,
    open_run,
    parquet_positions,
    sink_counts,
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
    """The next attempt adds the events missing after a kill, NaN included, and counts them."""
    script = Script(tmp_path, KILLED)
    assert "logged" == script.line()
    assert wait_until(lambda: 3_001 == len(journal_positions(script.folder)))
    script.process.send_signal(signal.SIGKILL)
    assert -signal.SIGKILL == script.end()[0]
    before = len(parquet_positions(script.folder))
    expected = len(journal_positions(script.folder))
    assert before < expected

    folder = open_run(tmp_path)
    logflume.get_logger().info("x", number=-1)
    assert logflume.shutdown()

    check_sinks_agree(folder)
    assert expected - before == sink_counts("parquet")["filled_in"]
    assert has_nothing_pending("csv")
    assert has_nothing_pending("parquet")
    odd = duckdb.execute(f"select odd from '{folder}/parquet/x/*.parquet' where number >= 0")
    assert {True} == {math.isnan(value) for (value,) in odd.fetchall()}


def test_repeated_kills(tmp_path: Path) -> None:
    """Runs killed while they catch up lose no event and repeat none."""
    for _ in range(4):
        script = Script(tmp_path, KILLED)
        assert "logged" == script.line()
        script.process.send_signal(signal.SIGKILL)
        script.end()
    folder = open_run(tmp_path)
    assert logflume.shutdown()

    check_sinks_agree(folder)
    assert list(range(5)) == sorted({attempt for attempt, _ in csv_positions(folder)})


def test_flush_waits_for_catch_up(tmp_path: Path) -> None:
    """Once `flush()` returns, missing events can be read, before any event of the attempt."""
    open_run(tmp_path, ONLY_JOURNAL)
    for number in range(500):
        logflume.get_logger().info("x", number=number)
    logflume.shutdown()
    folder = open_run(tmp_path)
    assert logflume.flush()

    check_sinks_agree(folder)


def test_a_complete_run_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a run that ended normally is continued, neither journal nor sinks are read."""
    open_run(tmp_path)
    logflume.shutdown()
    calls: list[RunInfo] = []
    monkeypatch.setattr(CsvSink, "held", lambda _self, run: calls.append(run))
    folder = open_run(tmp_path)
    logflume.shutdown()

    assert [] == calls
    check_sinks_agree(folder)


def test_removed_files(tmp_path: Path) -> None:
    """Sink files that were removed after the run are written again, complete."""
    folder = open_run(tmp_path)
    logflume.get_logger().info("x", number=1)
    logflume.shutdown()
    shutil.rmtree(folder / "parquet")
    (folder / "all.csv").unlink()
    open_run(tmp_path)
    logflume.shutdown()

    check_sinks_agree(folder)


def test_routing_applies(tmp_path: Path) -> None:
    """Level and event types of the sink, and the loggers' sinks, apply to added events too."""
    open_run(tmp_path, ONLY_JOURNAL)
    for event_type in ("x", "y"):
        logflume.get_logger().info(event_type, n=1)
        logflume.get_logger().warning(event_type, n=1)
    logflume.shutdown()
    csv_sink = {**CONFIG["sinks"]["csv"], "level": "WARNING", "events": ["x"]}
    folder = open_run(tmp_path, csv=csv_sink)
    logflume.shutdown()

    assert [(0, 2)] == csv_positions(folder)


class EmptySink(MemorySink):
    """A sink whose output has been lost, so that it gets every event again."""

    def held(self, _run: RunInfo) -> set[Position | None]:
        return set()


def test_caught_up_events_are_those_of_the_live_run(tmp_path: Path) -> None:
    """A sink gets an event from the journal as it got it live, NaN and infinities included."""
    live, later = MemorySink(), EmptySink()
    for name, sink in {"live": live, "later": later}.items():
        config = {**CONFIG, "root": {"level": "INFO", "sinks": ["jsonl", name]}}
        open_run(tmp_path, config, **{name: sink})
        if sink is live:
            log = logflume.get_logger()
            log.info("x", loss=math.nan, values=[1.0, -math.inf], text="NaN", nothing=None)
            log.info("y", flag=True, nested={"a": math.inf}, array=np.arange(3.0))
        logflume.shutdown()

    assert live.events[1]["nonfinite"] == {"loss": "NaN", "values.1": "-Infinity"}
    of_first = [event for event in later.events if event["attempt"] == 0]
    assert [repr(dict(event)) for event in live.events] == [repr(dict(e)) for e in of_first]


def test_a_csv_without_positions(tmp_path: Path) -> None:
    """A CSV file with configured columns gets no missing events and no event twice."""
    custom = {"type": "csv", "path": "{dir}/{run}/own.csv", "columns": ["event"]}
    script = Script(tmp_path, f"config = {ONLY_JOURNAL!r}\nstart()\nlogflume.flush()\nos._exit(1)")
    script.end()
    folder = open_run(tmp_path, csv=custom)
    logflume.shutdown()

    with (folder / "own.csv").open(newline="", encoding="utf-8") as file:
        events = [row["event"] for row in csv.DictReader(file)]
    assert ["run_started", "run_finished", "pipeline"] == events


def test_damaged_lines(tmp_path: Path) -> None:
    """A damaged line of the journal is skipped; all other missing events are added."""
    folder = open_run(tmp_path, ONLY_JOURNAL)
    logflume.shutdown()
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0\0\n" + lines[1][:90] + b"\n" + lines[2])
    open_run(tmp_path)
    logflume.shutdown()

    assert (
        [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]
        == csv_positions(folder)
        == parquet_positions(folder)
    )


def fail(*_args: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_sink_that_failed_until_the_end(tmp_path: Path) -> None:
    """A sink that failed until the run ended is complete after the next attempt; counts add up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CsvSink, "write", fail)
        open_run(tmp_path)
        logflume.get_logger().info("x", number=1)
        assert not logflume.shutdown()
    lost = sink_counts("csv")["dropped"]
    assert 0 < lost == sink_counts("csv")["accepted"]
    folder = open_run(tmp_path)
    logflume.shutdown()

    check_sinks_agree(folder)
    assert lost == sink_counts("csv")["filled_in"]
    assert has_nothing_pending("csv")


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("no")])
def test_a_fault_of_held(error: Exception, tmp_path: Path) -> None:
    """A sink that raises in `held` is faulty; the other sinks still get their missing events."""

    def raise_error(_self: Any, _run: RunInfo) -> None:
        raise error

    open_run(tmp_path, ONLY_JOURNAL)
    logflume.shutdown()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParquetSink, "held", raise_error)
        folder = open_run(tmp_path)
        assert not logflume.flush()
        assert not logflume.shutdown()
    assert journal_positions(folder) == csv_positions(folder)
    assert has_nothing_pending("parquet")
    open_run(tmp_path)
    logflume.shutdown()

    check_sinks_agree(folder)


def test_catch_up_does_not_delay_the_journal(tmp_path: Path) -> None:
    """The journal gets new events at once, the sink gets them after the missing ones."""
    open_run(tmp_path, ONLY_JOURNAL)
    for number in range(20_000):
        logflume.get_logger().info("x", number=number)
    logflume.shutdown()
    folder = open_run(tmp_path)
    logflume.get_logger().info("x", number=-1)
    assert wait_until(lambda: (1, 1) == journal_positions(folder)[-1])
    assert logflume.shutdown()

    check_sinks_agree(folder)
