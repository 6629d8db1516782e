"""Queries on several runs together."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest

import logflume
from tests.query.independent import journaled, latest
from tests.query.training_run import log_steps, start, write_run


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three runs (ended, continued, live), and entries that are not runs."""
    write_run(tmp_path, range(1, 6), run="a")
    write_run(tmp_path, range(1, 6), range(3, 8), run="b", scale=10.0)
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("not a run")
    start(tmp_path, "c", parquet={"rotate_events": 10})
    logflume.get_logger().info("only_here", x=1)
    log_steps(range(1, 4), scale=100.0)
    logflume.flush()
    log_steps(range(4, 9), scale=100.0)
    logflume.flush()
    return tmp_path


def test_a_pattern(logs: Path) -> None:
    """A pattern matches only runs; the link to the newest run is not counted twice."""
    runs = logflume.open_runs(logs / "*")
    assert ["a", "b", "c"] == [run.info.run for run in runs]
    assert 3 == len(runs)
    assert ["finished", "finished", "running"] == [run.info.status for run in runs]
    assert 1 == len(logflume.open_runs([logs / "a"]))
    with pytest.raises(logflume.RunError, match="no runs"):
        logflume.open_runs(logs / "x*")


def test_a_relative_pattern(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative pattern is resolved against the working directory."""
    monkeypatch.chdir(logs.parent)
    assert 3 == len(logflume.open_runs(f"{logs.name}/*"))
    monkeypatch.chdir(logs)
    assert 3 == len(logflume.open_runs("*"))
    assert 1 == len(logflume.open_runs("a"))


def test_results_of_several_runs(logs: Path) -> None:
    """Each result has the rows of every run with its id, whether live, continued or ended."""
    runs = logflume.open_runs(logs / "*")
    events = {name: latest(journaled(logs / name, "training")) for name in "abc"}
    expected = [(name, e["step"], e["loss"]) for name, of in events.items() for e in of]

    table = runs.events("training", columns=["run", "step", "loss"]).to_pylist()
    assert sorted(expected) == sorted(tuple(row.values()) for row in table)
    wide = runs.metrics("loss", wide=True).to_pylist()
    assert sorted(expected) == sorted(
        (row["run"], row["step"], row["loss"]) for row in wide if row["mode"] == "train"
    )
    counts = runs.sql("select run, count(*) n from training group by run order by run")
    assert [{"run": name, "n": len(of)} for name, of in events.items()] == counts.to_pylist()
    assert sum(len(of) * 4 for of in events.values()) == len(runs.outputs())
    assert ["c"] * 2 == runs.outputs(best=2)["run"].to_pylist()
    assert len(expected) == runs.types()["training"]
    assert [1.0] == runs.events("only_here")["x"].to_pylist()
    means = {
        name: fmean(v for e in latest(journaled(logs / name, "reward")) for v in e["rewards/form"])
        for name in "abc"
    }
    averages = runs.sql(
        "select run, avg(value) m from rewards where function = 'form' group by run"
    )
    assert means == {row["run"]: row["m"] for row in averages.to_pylist()}


def test_fields_of_different_kinds(tmp_path: Path) -> None:
    """A field that is a number in one run and a text in another becomes text."""
    for name, value in (("a", 1.5), ("b", "high"), ("c", [1.0, 2.0])):
        start(tmp_path, name)
        logflume.get_logger().info("probe", x=value, same=1)
        logflume.shutdown()
    table = logflume.open_runs(tmp_path / "?").events("probe")
    assert ["1.5", "high", "[1.0,2.0]"] == table["x"].to_pylist()
    assert [1.0] * 3 == table["same"].to_pylist()


def test_a_moved_folder(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A run can be moved: its files don't depend on the location."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (logs / "a").rename(elsewhere / "copy")
    run = logflume.open_run(elsewhere / "copy")
    assert ("a", 5) == (run.info.run, len(run.events("training")))
