"""Live and killed runs: each event is read once, from Parquet or the journal."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import logflume
from logflume.maintenance.compact import compact
from logflume.query.open_run import Run
from tests.fake_sinks import wait_until
from tests.query.independent import event_ids, journaled, latest
from tests.query.training_run import CONFIG, log_steps, start, write_run
from tests.scripts import Script, kill

TYPES = ("reward", "model_output", "training", "evaluation", "run_started")


def flush() -> None:
    """Write everything logged so far, and then what processors reported about it."""
    logflume.flush()
    logflume.flush()


def check(folder: Path) -> None:
    """Compare the results of queries with the journal: types, events and values."""
    run = logflume.open_run(folder, attempts="all")
    counts: dict[str, int] = {}
    for event in journaled(folder):
        counts[event["event"]] = counts.get(event["event"], 0) + 1
    assert counts == run.types()
    for event_type in TYPES:
        expected = journaled(folder, event_type)
        rows = run.events(event_type).to_pylist()
        ids = event_ids(map(Row, rows))
        assert sorted(map(repr, event_ids(expected))) == sorted(map(repr, ids))
        key = "rewards/total" if event_type == "model_output" else "step"
        by_id = {one: row[key] for one, row in zip(ids, rows, strict=True)}
        assert repr([by_id[one] for one in event_ids(expected)]) == repr(
            [e.get(key) for e in expected]
        )
        (row,) = run.sql(f"select count(*) n, count(distinct seq) d from {event_type}").to_pylist()
        assert len(expected) == row["n"]


class Row(dict[str, Any]):
    """A row of a table that lacks the columns that no event needed."""

    def __missing__(self, _name: str) -> None:
        return None


def has_steps(folder: Path, count: int) -> bool:
    return len(journaled(folder, "training")) == count


def shows_steps(run: Run, count: int) -> bool:
    return run.types().get("training") == count


def parquet_rows(folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in folder.glob("parquet/*/*.parquet"))


def test_a_live_run(tmp_path: Path) -> None:
    """A live run is read from its Parquet parts and the end of the journal, at any moment."""
    folder = start(tmp_path).folder
    was_partly_in_parquet = False
    for first in range(1, 61, 4):
        log_steps(range(first, first + 4))
        logflume.get_logger("system").error("written at once")
        assert wait_until(partial(has_steps, folder, first + 3))
        in_parquet, total = parquet_rows(folder), len(journaled(folder))
        was_partly_in_parquet |= 0 < in_parquet < total
        check(folder)
    assert was_partly_in_parquet
    assert ("running", 60) == (
        logflume.open_run(folder).info.status,
        logflume.open_run(folder).info.last_step,
    )


KILLED = """
    start(root={"level": "INFO", "sinks": ["jsonl", "parquet"]}, processors=["tag_step"])
    for step in range(1, 2001):
        log.info("training", step=step, loss=1 / step)
        if step % 500 == 0:
            logflume.flush()
    say("done")
    wait()
"""


def test_a_killed_run(tmp_path: Path) -> None:
    """After `kill -9`, events missing in Parquet are read from the journal."""
    script = Script(tmp_path, KILLED)
    assert "done" == script.line()
    assert wait_until(lambda: len(journaled(script.folder, "training")) == 2000)
    kill(script)
    shutil.rmtree(script.folder / "parquet" / "run_started", ignore_errors=True)
    check(script.folder)
    run = logflume.open_run(script.folder)
    assert ("killed", 2000, None) == (run.info.status, run.info.last_step, run.info.ended)


def test_a_torn_line(tmp_path: Path) -> None:
    """An incomplete line at the end of the journal is ignored."""
    folder = write_run(tmp_path, range(1, 9))
    shutil.rmtree(folder / "parquet")
    (folder / "run.json").write_text(
        (folder / "run.json").read_text().replace('"parquet": 1\n', '"none": 1\n')
    )
    journal = folder / "events.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"timestamp":"2026-')
    assert 8 == len(logflume.open_run(folder).events("training"))


@pytest.mark.parametrize("lost", ["training", "reward", "model_output"])
def test_missing_parts(tmp_path: Path, lost: str) -> None:
    """In a run that didn't end properly, missing parts of any type are replaced by the journal."""
    folder = start(tmp_path).folder
    log_steps(range(1, 31))
    flush()
    shutil.rmtree(folder / "parquet" / lost)
    check(folder)


@pytest.mark.parametrize(
    "lost", ["parquet/training", "parquet/reward", "parquet/*", "parquet/*/*a0001*"]
)
def test_missing_parts_of_a_finished_run(tmp_path: Path, lost: str) -> None:
    """Also in a run that ended properly, missing parts are replaced by the journal."""
    folder = write_run(tmp_path, range(1, 8), range(8, 12))
    for path in folder.glob(lost):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    check(folder)

    write_run(tmp_path, range(12, 14))
    check(folder)


def test_compacted_parts(tmp_path: Path) -> None:
    """The journal isn't read for parts that were merged after the end of the run."""
    folder = start(tmp_path, parquet={"rotate_events": 5}).folder
    log_steps(range(1, 12))
    logflume.shutdown()
    list(compact(folder))
    (folder / "events.jsonl").write_bytes(b"")

    assert 11 == len(logflume.open_run(folder).events("training"))


def test_duplicate_parts(tmp_path: Path) -> None:
    """Parts that a crash has duplicated don't duplicate events."""
    folder = start(tmp_path).folder
    log_steps(range(1, 31))
    flush()
    part = next((folder / "parquet" / "training").iterdir())
    shutil.copy(part, part.with_name(part.name.replace(".parquet", "-1.parquet")))
    check(folder)


def test_only_some_events_in_parquet(tmp_path: Path) -> None:
    """Types that the configuration excludes from Parquet are read from the journal."""
    folder = start(tmp_path, parquet={"events": ["model_output"]}).folder
    log_steps(range(1, 9))
    logflume.shutdown()
    check(folder)


def test_without_parquet(tmp_path: Path) -> None:
    """A run that has only a journal answers all queries."""
    root = {"level": "INFO", "sinks": ["jsonl"]}
    folder = logflume.initialize({**CONFIG, "root": root}, dir=tmp_path, run="r").folder
    log_steps(range(1, 9))
    logflume.shutdown()
    check(folder)
    assert 8 * 4 * 3 == len(logflume.open_run(folder).rewards())


def test_rotated_journals(tmp_path: Path) -> None:
    """Missing events are read from the journal even if it was rotated and compressed meanwhile."""
    run = start(tmp_path, jsonl={"rotate_bytes": 10_000}, parquet={"rotate_events": 100_000})
    opened = logflume.open_run(run.folder)
    for first in range(1, 61, 5):
        log_steps(range(first, first + 5))
        # The journal is rotated between two batches of the worker.
        assert wait_until(partial(shows_steps, opened, first + 4))
        if first == 6:
            logflume.flush()
    assert wait_until(lambda: len(list(run.folder.glob("events.*.jsonl.zst"))) > 3)
    assert list(range(1, 61)) == opened.events("training")["step"].to_pylist()
    assert 0 < parquet_rows(run.folder) < sum(opened.types().values())


def test_a_live_continued_run(tmp_path: Path) -> None:
    """While a later attempt is being written, its steps replace those of the earlier one."""
    write_run(tmp_path, range(1, 7))
    folder = start(tmp_path).folder
    log_steps(range(4, 6), scale=3.0)
    flush()
    check(folder)
    rows = logflume.open_run(folder).events("training").to_pylist()
    expected = latest(journaled(folder, "training"))
    assert [(e["step"], e["loss"]) for e in expected] == [(r["step"], r["loss"]) for r in rows]


RANKS = """
    sinks = ["jsonl", "parquet"]
    start(root={"level": "INFO", "sinks": sinks}, processors=["tag_step", "flatten_rewards"])
    for step in range(1, 6):
        log.info("reward", step=step, a=[1.0, 2.0], num_generations=2)
    if os.environ["RANK"] == "1":
        child = os.fork()
        if child == 0:
            log.info("probe", x=1)
            logflume.shutdown()
            os._exit(0)
        os.waitpid(child, 0)
    logflume.shutdown()
    say("done")
"""


def test_ranks_and_forked_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ranks and their forked children form one run."""
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        script = Script(tmp_path, RANKS)
        assert "done" == script.line()
        assert 0 == script.end()[0]
    run = logflume.open_run(tmp_path / "r")
    assert [0, 1] == run.info.ranks
    assert [(step, rank) for rank in (0, 1) for step in range(1, 6)] == [
        (row["step"], row["rank"]) for row in run.events("reward").to_pylist()
    ]
    (probe,) = run.events("probe").to_pylist()
    assert (1.0, 1) == (probe["x"], probe["rank"])
    assert probe["process"].startswith("pid")
    assert 2 * 5 * 2 * 2 == len(run.rewards())
    check(tmp_path / "r")
