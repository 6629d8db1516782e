"""What the journal has and another sink lacks is filled in, each event once and in order."""

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
from logflume.pipeline import outlet
from logflume.run import RunInfo
from logflume.sinks.csvfile import CsvSink
from tests.fake_sinks import FaultySink, wait_until
from tests.scripts import Script

Place = tuple[int, int]

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl", "csv", "parquet"]},
    "processors": ["tag_step"],
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 20_000},
        "csv": {"path": "{dir}/{run}/all.csv"},
        "parquet": {"path": "{dir}/{run}/parquet", "rotate_events": 500},
    },
}

ONLY_JOURNAL = {**CONFIG, "root": {"level": "INFO", "sinks": ["jsonl"]}}

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


def open_run(folder: Path, config: dict[str, Any] = CONFIG, **sinks: Any) -> Path:
    merged = {**config, "sinks": {**config["sinks"], **sinks}}
    return logflume.initialize(merged, dir=folder, run="r").folder


def in_journal(folder: Path) -> list[Place]:
    return [(e["attempt"], e["seq"]) for e in logflume.open_run(folder)]


def in_csv(folder: Path) -> list[Place]:
    with (folder / "all.csv").open(newline="", encoding="utf-8") as file:
        return [(int(row["attempt"]), int(row["seq"])) for row in csv.DictReader(file)]


def in_parquet(folder: Path) -> list[Place]:
    tables = [p for p in (folder / "parquet").iterdir() if p.is_dir()]
    queries = [f"select attempt, seq from '{table}/*.parquet'" for table in tables]
    return duckdb.execute(" union all ".join(queries) + " order by all").fetchall()


def check_all_alike(folder: Path) -> None:
    assert in_journal(folder) == in_csv(folder) == in_parquet(folder)


def totals(name: str) -> dict[str, int]:
    report = logflume.report()
    assert report is not None
    return report.sinks[name]


def is_at_rest(name: str) -> bool:
    counts = totals(name)
    return counts["accepted"] == counts["written"] + counts["dropped"]


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


class TestWithinARun:
    """A sink that fails longer than its events can be held."""

    @pytest.fixture(autouse=True)
    def _few_are_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outlet, "MAX_HELD", 100)
        monkeypatch.setattr(outlet, "FIRST_RETRY_S", 0.001)
        monkeypatch.setattr(outlet, "LONGEST_RETRY_S", 0.05)

    def start(self, folder: Path, bad: Any) -> Path:
        root = {"level": "INFO", "sinks": ["jsonl", "bad"]}
        return open_run(folder, {**CONFIG, "root": root}, bad=bad)

    def log(self, first: int, last: int) -> None:
        for number in range(first, last):
            logflume.get_logger().info("x", number=number)

    @pytest.mark.parametrize("threaded", [False, True])
    def test_it_catches_up_when_it_is_healed(self, threaded: bool, tmp_path: Path) -> None:
        """It gets all that it missed from the journal, in order, and nothing counts as dropped."""
        bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
        bad.threaded = threaded  # type: ignore[attr-defined]
        folder = self.start(tmp_path, bad)
        self.log(0, 1_000)
        assert not logflume.flush()
        assert 0 == totals("bad")["written"]
        bad.fault = lambda _events: None
        self.log(1_000, 1_100)
        assert wait_until(logflume.flush)
        self.log(1_100, 1_200)
        assert logflume.shutdown()

        assert in_journal(folder) == [(e["attempt"], e["seq"]) for e in bad.events]
        assert 0 == totals("bad")["dropped"]
        assert is_at_rest("bad")

    def test_it_is_healed_only_at_the_end(self, tmp_path: Path) -> None:
        """A sink that takes events again just when it is closed catches up then."""
        bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
        folder = self.start(tmp_path, bad)
        self.log(0, 1_000)
        logflume.flush()
        bad.fault = lambda _events: None
        assert logflume.shutdown()

        assert in_journal(folder) == [(e["attempt"], e["seq"]) for e in bad.events]
        assert 0 == totals("bad")["dropped"]
        assert is_at_rest("bad")

    def test_it_stumbles_while_it_catches_up(self, tmp_path: Path) -> None:
        """Errors on the way delay it, and neither lose nor repeat an event."""
        bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
        folder = self.start(tmp_path, bad)
        self.log(0, 5_000)
        logflume.flush()
        calls = iter(range(10**9))
        bad.fault = lambda _events: ValueError("no") if next(calls) % 2 else None
        assert wait_until(lambda: is_at_rest("bad") and 0 == totals("bad")["dropped"])
        bad.fault = lambda _events: None
        assert logflume.shutdown()

        assert in_journal(folder) == [(e["attempt"], e["seq"]) for e in bad.events]

    def test_an_event_that_it_cannot_take(self, tmp_path: Path) -> None:
        """It alone is given up, in what is caught up as anywhere else."""
        bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
        folder = self.start(tmp_path, bad)
        self.log(0, 1_000)
        logflume.flush()
        bad.fault = lambda events: (
            KeyError("no") if any(e.get("number") == 700 for e in events) else None
        )
        assert wait_until(lambda: 1 == totals("bad").get("dropped/rejected"))
        assert logflume.shutdown()

        missing = set(in_journal(folder)) - {(e["attempt"], e["seq"]) for e in bad.events}
        assert [700] == [
            e["number"] for e in logflume.open_run(folder) if (e["attempt"], e["seq"]) in missing
        ]
        assert 1 == totals("bad")["dropped"] == totals("bad")["dropped/rejected"]
        assert is_at_rest("bad")
