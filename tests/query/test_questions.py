"""Queries on a run, whose results are compared with values computed from the journal."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from statistics import fmean

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import logflume
from tests.query.independent import Event, journaled, latest, without_nulls
from tests.query.training_run import start, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), range(1, 11))


def as_text(event: Event) -> str:
    """Return an event as text, so that NaN compares equal."""
    return repr(sorted(event.items()))


def test_events(folder: Path) -> None:
    """The events of a type match the journal, value by value and in order; times are timestamps."""
    for event_type in ("reward", "model_output", "training", "evaluation"):
        rows = logflume.open_run(folder).events(event_type).to_pylist()
        for row in rows:
            row["timestamp"] = row["timestamp"].isoformat().replace("+00:00", "Z")
        expected = map(without_nulls, journaled(folder, event_type))
        assert list(map(as_text, expected)) == [as_text(without_nulls(row)) for row in rows]


def test_columns_and_steps(folder: Path) -> None:
    """Only the requested columns and steps are returned, columns in the order requested."""
    run = logflume.open_run(folder)
    table = run.events("reward", columns=["seq", "rewards/*/mean", "step"], steps=(3, 4))

    assert ["seq", "rewards/right/mean", "rewards/form/mean", "rewards/total/mean", "step"] == (
        table.column_names
    )
    assert [3, 4] == table["step"].to_pylist()
    assert [7] == run.events("training", steps=7)["step"].to_pylist()
    assert [9, 10] == run.events("training", steps=(9, None))["step"].to_pylist()


def test_conversions_of_a_table(folder: Path) -> None:
    """A result converts to pandas and Polars, and works wherever Arrow is supported."""
    table = logflume.open_run(folder).events("training", columns=["step", "loss"])
    expected = [1 / step for step in range(1, 11)]

    assert expected == table.to_pandas()["loss"].tolist()
    assert expected == table.to_polars()["loss"].to_list()
    assert expected == pl.DataFrame(table)["loss"].to_list() == pa.table(table)["loss"].to_pylist()
    assert (10, {"step": 1, "loss": 1.0}) == (len(table), table.to_pylist()[0])
    assert "10 rows: step, loss" in repr(table)


def test_metrics_in_long_form(folder: Path) -> None:
    """Each number of each event is a row, with the name of its field."""
    rows = logflume.open_run(folder).metrics().to_pylist()
    events = [e for t in ("training", "evaluation", "reward") for e in journaled(folder, t)]
    expected = {
        (e["step"], name, e["event"], float(value))
        for e in events
        for name, value in e.items()
        if isinstance(value, (int, float)) and name not in ("attempt", "rank", "seq", "step")
    }

    assert repr(sorted(expected, key=repr)) == repr(
        sorted(((r["step"], r["name"], r["event"], r["value"]) for r in rows), key=repr)
    )


def test_metrics_in_wide_form(folder: Path) -> None:
    """Each step and mode is a row; a metric that is requested by its name has that name."""
    wide = logflume.open_run(folder).metrics("loss", "rewards/right/mean", wide=True).to_pylist()
    means = {e["step"]: e.get("rewards/right/mean") for e in journaled(folder, "reward")}

    assert ["step", "mode", "loss", "rewards/right/mean"] == list(wide[0])
    assert [(1, "train"), (2, "train"), (3, "train"), (4, "train"), (4, "eval")] == [
        (row["step"], row["mode"]) for row in wide[:5]
    ]
    assert {step: 1 / step for step in range(1, 11)} == {
        row["step"]: row["loss"] for row in wide if row["mode"] == "train"
    }
    assert repr(means) == repr(
        {r["step"]: r["rewards/right/mean"] for r in wide if r["mode"] == "train"}
    )


def test_rewards(folder: Path) -> None:
    """Every value of every function is a row, with its group and its index in the group."""
    rows = logflume.open_run(folder).rewards().to_pylist()
    expected = [
        (e["step"], function, value, row // 2, row % 2, row)
        for function in ("right", "form", "total")
        for e in journaled(folder, "reward")
        for row, value in enumerate(e[f"rewards/{function}"])
    ]
    actual = [
        (r["step"], r["function"], r["value"], r["group"], r["index"], r["row"]) for r in rows
    ]
    assert repr(expected) == repr(actual)
    assert 120 == len(actual)


def test_outputs(folder: Path) -> None:
    """Completions are selected by step, correctness and reward; the worst come first."""
    run = logflume.open_run(folder)
    events = journaled(folder, "model_output")

    assert len(events) == len(run.outputs())
    assert [e["model_output"] for e in events if e["answer"] == "2"] == (
        run.outputs(correct=True)["model_output"].to_pylist()
    )
    assert 30 == len(run.outputs(correct=False))
    high = [e["seq"] for e in events if e["rewards/total"] >= 3.5]
    assert high == run.outputs(min_reward=3.5)["seq"].to_pylist()
    low = sorted((e["rewards/total"], e["step"], e["seq"]) for e in events if e["step"] in (7, 8))
    worst = run.outputs(steps=(7, 8), worst=3, columns=["rewards/total", "step", "seq"])
    assert [list(row) for row in low[:3]] == [list(row.values()) for row in worst.to_pylist()]
    best = run.outputs(best=1).to_pylist()[0]
    assert (10.5, "the answer\nof step 10: 0") == (best["rewards/total"], best["model_output"])
    assert 0 == len(run.outputs(steps=99, worst=5))


def test_sql(folder: Path) -> None:
    """Event types and the results of the methods are views."""
    run = logflume.open_run(folder)
    by_step = run.sql("select step, loss from training order by step").to_pylist()
    assert [{"step": step, "loss": 1 / step} for step in range(1, 11)] == by_step
    values = [v for e in journaled(folder, "reward") for v in e["rewards/form"]]
    (row,) = run.sql("select avg(value) a from rewards where function = 'form'").to_pylist()
    assert fmean(values) == row["a"]
    (row,) = run.sql(
        "select count(*) n, count(distinct m.name) k from metrics m join training t using (step)"
    ).to_pylist()
    assert 0 < row["k"] < row["n"]


def test_sql_of_a_type_that_was_not_logged(folder: Path) -> None:
    """A declared type without events is an empty view; an unknown name is a helpful error."""
    run = logflume.open_run(folder)
    assert [] == run.sql("select path from checkpoint").to_pylist()
    with pytest.raises(logflume.QueryError, match=r"(?s)trainin.*Views: .*training.*, rewards"):
        run.sql("select loss from trainin")
    with pytest.raises(logflume.QueryError, match="run"):
        run.sql("select * from runs")


def test_wrong_names_are_explained(folder: Path) -> None:
    """An unknown column, metric or reward is an error that suggests the closest name."""
    run = logflume.open_run(folder)
    with pytest.raises(logflume.QueryError, match="no field 'los'; did you mean 'loss'"):
        run.events("training", columns=["los"])
    with pytest.raises(logflume.QueryError, match="did you mean 'rewards/right/mean'"):
        run.metrics("rewards/rihgt/mean")
    with pytest.raises(logflume.QueryError, match="no field 'rewards/x'; did you mean 'rewards/"):
        run.outputs(worst=1, by="rewards/x")


def test_info(folder: Path) -> None:
    """`info` summarizes the run, with typed attributes."""
    info = logflume.open_run(folder).info
    started = journaled(folder, "run_started")[0]
    assert ("r", "finished", 0, [0], 10) == (
        info.run,
        info.status,
        info.attempt,
        info.ranks,
        info.last_step,
    )
    assert pd.Timestamp(started["timestamp"]) == info.started
    assert info.ended is not None
    assert info.started is not None
    assert info.started < info.ended
    assert started["versions/python"] == info.versions["python"]
    assert ["jsonl", "parquet"] == list(info.config["sinks"])


def test_a_continued_run(tmp_path: Path) -> None:
    """Every query uses the latest attempt of each step by default, and all on request."""
    folder = write_run(tmp_path, range(1, 7), range(4, 9))
    run, everything = logflume.open_run(folder), logflume.open_run(folder, attempts="all")
    events = journaled(folder, "training")
    assert [(e["step"], e["loss"]) for e in latest(events)] == [
        (row["step"], row["loss"]) for row in run.events("training").to_pylist()
    ]
    assert len(events) == len(everything.events("training")) == 11
    expected = {e["step"]: e["loss"] for e in latest(events)}
    wide = run.metrics("loss", wide=True).to_pylist()
    assert expected == {row["step"]: row["loss"] for row in wide if row["mode"] == "train"}
    assert expected == dict(
        run.sql("select step, loss from training").to_pandas().to_numpy().tolist()
    )
    assert 8 * 4 == len(run.outputs()) < len(everything.outputs())
    assert 8 * 4 * 3 == len(run.rewards())
    assert 8 == run.types()["training"] < everything.types()["training"]
    assert (1, 8) == (run.info.attempt, run.info.last_step)
    assert [2, 2] == [len(run.events(t)) for t in ("run_started", "run_finished")]


def test_names_of_fields_and_types(tmp_path: Path) -> None:
    """Fields and types may have any name, with dots, quotes or non-ASCII letters."""
    info = start(tmp_path)
    log = logflume.get_logger()
    log.info("kl.spike", **{'it\'s "odd"': 1.0, "größe": 2.0})
    logflume.shutdown()
    run = logflume.open_run(info.folder)

    assert {"kl.spike"} < set(run.types())
    assert [1.0] == run.events("kl.spike", columns=['it\'s "odd"'])['it\'s "odd"'].to_pylist()
    assert [{"größe": 2.0}] == run.sql('select "größe" from "kl.spike"').to_pylist()


def test_nan_is_not_null(folder: Path) -> None:
    """NaN is distinct from null: it is restored and counts as a value."""
    rewards = logflume.open_run(folder).rewards(steps=5).to_pylist()
    right = [row["value"] for row in rewards if row["function"] == "right"]
    assert [5.0, 0.0, None] == right[:3]
    assert math.isnan(right[3])


def test_an_unknown_event_type_warns(tmp_path: Path) -> None:
    """A type that is neither declared nor in the run gives no rows and a hint."""
    start(tmp_path)
    logflume.get_logger().info("checkpoint.saved", path="a")
    logflume.shutdown()
    run = logflume.open_run(tmp_path / "latest")

    with pytest.warns(UserWarning, match="'checkpoint.save'; did you mean 'checkpoint.saved'?"):
        assert 0 == len(run.events("checkpoint.save"))
    with pytest.warns(UserWarning, match="'trainig'; did you mean 'training'?"):
        assert 0 == len(run.events("trainig"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 == len(run.events("training"))
        assert 0 == len(run.events("checkpoint.saved", steps=(5, 9)))


def test_a_name_without_a_value_warns(tmp_path: Path) -> None:
    """A declared metric or reward that no event has gives no rows, and a hint at what there is."""
    start(tmp_path)
    log = logflume.get_logger("reward").bind(step=1)
    log.info("reward", **{"rewards/form": [1.0, 0.0], "rewards/total": [1.0, 0.0]})
    logflume.log_model_output("q", "2", "3", rewards={"form": 1.0, "total": 1.0})
    logflume.shutdown()
    run = logflume.open_run(tmp_path / "latest")

    for wide in (False, True):
        with pytest.warns(UserWarning, match="'reward'; did you mean 'rewards/total/mean'?"):
            run.metrics("reward", "rewards/form/mean", wide=wide)
    with pytest.warns(UserWarning, match="no metric 'kl'; available: rewards/"):
        run.metrics("kl")
    for wide in (False, True):
        with pytest.warns(UserWarning, match=r"matches 'form/\*'; available: rewards/form/max"):
            assert 0 == len(run.metrics("form/*", wide=wide))
    with pytest.warns(UserWarning, match="no event of type 'rewrd'; did you mean 'reward'?"):
        run.metrics(events="rewrd")
    with pytest.warns(UserWarning, match="no completion here has a value of 'advantage'; avail"):
        run.outputs(worst=1, by="advantage")
    with pytest.raises(logflume.QueryError, match="its mean is 'rewards/form/mean'"):
        run.metrics("rewards/form")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.metrics("rewards/total/mean", "reward.rewards/form/std", "rewards/*/max")
        run.metrics("rewards/total/mean", steps=(5, 9))
        run.outputs(worst=1, by="total", steps=(5, 9))


def test_a_mode_that_nobody_set_is_train(tmp_path: Path) -> None:
    """Completions, prompts and rewards have the mode `train` or `eval`, as metrics do."""
    start(tmp_path)
    for mode in (None, "eval"):
        logflume.get_logger("reward").bind(step=1, mode=mode).info("reward", right=[1.0, 0.0])
        fields = {"question": "q", "model_output": "3", "mode": mode, "rewards/total": 1.0}
        logflume.get_logger("model").bind(step=1).info("model_output", **fields)
    logflume.shutdown()
    run = logflume.open_run(tmp_path / "latest")

    (prompt_id,) = {row["prompt_id"] for row in run.prompts(solved=1.0).to_pylist()}
    tables = [
        run.outputs(),
        run.outputs(columns=["mode"]),
        run.outputs(search="3"),
        run.prompt(prompt_id),
    ]
    assert [["train", "eval"]] * 4 == [table["mode"].to_pylist() for table in tables]
    assert {"train", "eval"} == set(run.rewards()["mode"].to_pylist())
    assert 1 == len(run.outputs(where="mode = 'train'"))
    assert ["step"] == run.outputs(columns=["step"]).column_names
    assert [None, "eval"] == run.events("model_output")["mode"].to_pylist()
