"""Unusual runs (same id, damaged, no journal), and invalid queries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import logflume
from tests.query.independent import journaled
from tests.query.training_run import CONFIG, log_steps, start, write_run


@pytest.fixture
def twins(tmp_path: Path) -> list[Path]:
    """Two runs with the same id in different folders, one of them live."""
    first = write_run(tmp_path / "one", range(1, 4), run="train")
    start(tmp_path / "two", "train")
    log_steps(range(1, 4), scale=100.0)
    logflume.flush()
    log_steps(range(4, 6), scale=100.0)
    logflume.flush()
    return [first, tmp_path / "two" / "train"]


def test_runs_with_the_same_id(twins: list[Path]) -> None:
    """Runs with the same id are identified by their folders in every result."""
    runs = logflume.open_runs(twins)
    names = [str(folder.resolve()) for folder in twins]
    assert [3, 5] == [len(journaled(folder, "training")) for folder in twins]
    for rows in (
        runs.events("training", columns=["run", "loss"]).to_pylist(),
        runs.sql("select run, loss from training").to_pylist(),
        [r for r in runs.metrics("loss", wide=True).to_pylist() if r["mode"] == "train"],
    ):
        assert [3, 5] == [sum(row["run"] == name for row in rows) for name in names]
    assert {names[0]} == set(runs.outputs(max_reward=4)["run"].to_pylist()[:3])
    (worst,) = runs.outputs(steps=1, worst=1, min_reward=1.2).to_pylist()
    assert (names[0], 1.5) == (worst["run"], worst["rewards/total"])


def test_a_run_with_a_forked_child_among_others(tmp_path: Path) -> None:
    """Completions are found even if only some of the runs have the field `process`."""
    first = write_run(tmp_path, range(1, 4), run="a")
    second = write_run(tmp_path, range(1, 4), run="b")
    (second / "events-pid7.jsonl").write_text(
        '{"timestamp":"2026-11-26T00:00:00.000000Z","level":"info","logger":"model",'
        '"event":"model_output","run":"b","attempt":0,"rank":0,"process":"pid7","seq":0,"step":1,'
        '"rewards/total":-1.0}\n'
    )
    runs = logflume.open_runs([first, second])
    assert [("b", "pid7")] == [(r["run"], r["process"]) for r in runs.outputs(worst=1).to_pylist()]
    assert ["a", "b"] == runs.outputs(steps=3, best=2)["run"].to_pylist()


def test_groups_of_size_zero(tmp_path: Path) -> None:
    """With an invalid number of generations there are no groups, but no error."""
    run = start(tmp_path)
    logflume.get_logger().info("reward", a=[1.0, 2.0], num_generations=0, step=1)
    logflume.shutdown()
    rows = logflume.open_run(run.folder).rewards().to_pylist()
    assert [(1.0, None, 0), (2.0, None, 1)] == [
        (r["value"], r["group"], r["row"]) for r in rows if r["function"] == "a"
    ]


def test_decimals_in_sql(tmp_path: Path) -> None:
    """Sums of integers are returned as integers, and decimals as floats."""
    run = logflume.open_run(write_run(tmp_path, range(1, 5)))
    numbers = "sum(step) s, 1.5 d, sum(step)::hugeint * 10e9::hugeint h"
    (row,) = run.sql(f"select {numbers} from training").to_pylist()
    assert (10, 1.5, 1e11) == (row["s"], row["d"], row["h"])
    assert [int, float] == [type(row[name]) for name in ("s", "d")]


def test_kinds_that_sql_cant_combine(tmp_path: Path) -> None:
    """A field that is a text in one run and a list in another is text in SQL, too."""
    for name, value in (("a", "s"), ("b", [1.0])):
        start(tmp_path, name)
        logflume.get_logger().info("probe", w=value)
        logflume.shutdown()
    result = logflume.open_runs(tmp_path / "?").sql("select w from probe order by run")
    assert ["s", "[1.0]"] == result["w"].to_pylist()


def test_names_that_differ_in_case(tmp_path: Path) -> None:
    """A type with the exact name takes precedence; a user's type hides a built-in view."""
    run = start(tmp_path)
    for name in ("Probe", "probe", "metrics"):
        logflume.get_logger().info(name, x=len(name) + (name == "probe"))
    logflume.shutdown()
    opened = logflume.open_run(run.folder)
    assert [[5.0], [6.0], [7.0]] == [
        opened.sql(f"select x from {name}")["x"].to_pylist()
        for name in ("Probe", "probe", "metrics")
    ]


def test_parquet_only(tmp_path: Path) -> None:
    """A run without a journal is read from Parquet."""
    root = {"level": "INFO", "sinks": ["parquet"]}
    run = logflume.initialize({**CONFIG, "root": root}, dir=tmp_path, run="r")
    log_steps(range(1, 4))
    logflume.shutdown()
    opened = logflume.open_run(run.folder)
    assert (3, "finished") == (len(opened.events("training")), opened.info.status)
    assert 1 == len(logflume.open_runs(tmp_path / "*"))


def test_a_damaged_part(tmp_path: Path) -> None:
    """The error for an unreadable part names the file and a remedy."""
    folder = write_run(tmp_path, range(1, 4))
    part = next((folder / "parquet" / "training").iterdir())
    part.write_bytes(part.read_bytes()[:-50])
    with pytest.raises(logflume.RunError, match=f"{part}: this part can't be read.*doctor"):
        logflume.open_run(folder).events("training")


def test_a_damaged_state(tmp_path: Path) -> None:
    """If `run.json` is unreadable, everything is read from the journal."""
    folder = write_run(tmp_path, range(1, 4))
    (folder / "run.json").write_text("{")
    run = logflume.open_run(folder)
    assert (3, "finished", 3) == (len(run.events("training")), run.info.status, run.info.last_step)


def test_several_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics are in the order of steps; the wide form has the mean over ranks."""
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        start(tmp_path)
        for step in (1, 2):
            logflume.log_reward_metrics(step, {"a": [float(rank)] * 2})
        logflume.shutdown()
    run = logflume.open_run(tmp_path / "r")
    rows = run.metrics("rewards/a/mean").to_pylist()
    assert [(1, 0), (1, 1), (2, 0), (2, 1)] == [(r["step"], r["rank"]) for r in rows]
    wide = run.metrics("reward.rewards/a/mean", wide=True).to_pylist()
    assert [0.5, 0.5] == [row["reward.rewards/a/mean"] for row in wide]


@pytest.mark.parametrize(("name", "other"), [("a*", "ab"), ("a?", "ab"), ("**", "b"), ("[a]", "a")])
def test_sql_in_folders_named_like_patterns(name: str, other: str, tmp_path: Path) -> None:
    """SQL reads the files of the run, and not those of another folder that its name matches."""
    for number, folder in enumerate((name, other)):
        logflume.initialize(dir=tmp_path / folder, run="r")
        for step in range(number + 1):
            logflume.get_training_logger().info("training", step=step, loss=0.5)
        logflume.shutdown()
    rows = logflume.open_run(tmp_path / name / "r").sql("select count(*) as n from training")
    assert [{"n": 1}] == rows.to_pylist()


@pytest.mark.parametrize("name", ["[lr=1e-3]", "a*", "b?", "[", "[!c]"])
def test_folders_named_like_patterns(name: str, tmp_path: Path) -> None:
    """What exists is a path: a run, or the folder of runs in front of a pattern."""
    folder = write_run(tmp_path / name, range(1, 3), run="a")
    (folder.parent / "no run").mkdir()
    shutil.copytree(folder, folder.with_name(name))
    for paths, count in ((folder, 1), (folder.parent / "*", 2), (folder.with_name(name), 1)):
        assert count == len(logflume.open_runs(paths))
        assert count == len(logflume.open_runs(str(paths)))
    assert 1 == len(logflume.open_runs(folder.parent / "[a]"))


def test_a_single_name(tmp_path: Path) -> None:
    """A single name is accepted where several names may be given."""
    run = logflume.open_run(write_run(tmp_path, range(1, 4)))
    assert ["loss"] == run.events("training", columns="loss").column_names
    assert {"training"} == set(run.metrics("loss", events="training")["event"].to_pylist())
    assert 1 == len(run.outputs(worst=1, by="right"))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (lambda run: run.sql(""), "returns no result"),
        (lambda run: run.sql("select * from 'nope.csv'"), "nope.csv"),
        (lambda run: run.outputs(worst=-1), "0 or more"),
        (lambda run: run.outputs(worst=1, best=1), "can't be combined"),
        (lambda run: run.outputs(worst=1, by="question"), "'question': it is not a number"),
        (lambda run: run.events("training", steps="5"), "steps='5': expected a step or a range"),
        (lambda run: run.events("training", steps=(1, 2, 3)), "expected a step or a range"),
        (lambda run: run.metrics("los"), "no metric 'los'; did you mean 'loss'"),
        (lambda run: logflume.open_runs(run.folder.parent), r"Did you mean '.*/\*'"),
        (lambda run: logflume.open_runs([run.folder, "none"]), "none: there is no run here"),
        (lambda run: logflume.open_runs(""), "no runs here"),
    ],
)
def test_invalid_queries(tmp_path: Path, query: Any, reason: str) -> None:
    """An invalid query is a `LogflumeError` that explains why."""
    run = logflume.open_run(write_run(tmp_path, range(1, 4)))
    with pytest.raises(logflume.LogflumeError, match=reason):
        query(run)


def test_a_folder_name_with_brackets(tmp_path: Path) -> None:
    """A folder whose name looks like a pattern is taken literally."""
    folder = write_run(tmp_path, range(1, 4))
    shutil.move(folder, tmp_path / "a[1]=b")
    assert 3 == len(logflume.open_runs(tmp_path / "a[1]=b").events("training"))
