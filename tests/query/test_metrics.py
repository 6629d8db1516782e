"""Metrics by step: which events are one point, which rows and columns there are."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.cli.metric_summaries import summarize_metrics
from logflume.exceptions import QueryError
from logflume.query.open_run import Run
from tests.cli.commands import check_output
from tests.cli.commands import run as command
from tests.query.training_run import start


def by_mode(rows: list[dict[str, Any]], column: str) -> dict[Any, Any]:
    return {(row["step"], row["mode"]): row[column] for row in rows}


def write(folder: Path, *events: dict[str, Any], run: str = "r") -> Run:
    """Write a run of these events, whose type is in the field `type`."""
    info = start(folder, run)
    for event in events:
        fields = {"type": "training", **event}
        logflume.get_logger().info(fields.pop("type"), **fields)
    logflume.shutdown()
    return logflume.open_run(info.folder)


def test_an_evaluation_in_a_plain_loop(tmp_path: Path) -> None:
    """An evaluation never takes the place of the training at its step, whatever the mode is."""
    info = start(tmp_path)
    log = logflume.get_training_logger()
    for step, mode in ((1, None), (2, "train")):
        logflume.set_step(step, mode)
        log.info("training", loss=1.0)
        log.info("evaluation", loss=9.0)
    log.bind(step=3, mode="train").info("evaluation", loss=8.0)
    logflume.set_step(None)
    logflume.shutdown()
    run = logflume.open_run(info.folder)

    expected = {(s, m): v for s in (1, 2) for m, v in (("train", 1.0), ("eval", 9.0))}
    assert {**expected, (3, "eval"): 8.0} == by_mode(
        run.metrics("loss", wide=True).to_pylist(), "loss"
    )
    assert {**expected, (3, "eval"): 8.0} == by_mode(run.metrics("loss").to_pylist(), "value")
    assert [(9.0, "eval")] * 2 == [
        (row["loss"], row["mode"])
        for row in run.sql("select loss, mode from evaluation where step < 3").to_pylist()
    ]
    assert [(1.0,)] * 2 == [
        tuple(row.values())
        for row in run.sql("select value from metrics where mode = 'train'").to_pylist()
    ]
    shown = json.loads(check_output(tmp_path, "show", str(info.folder), "--json"))["metrics"]
    assert ([1.0, 1.0], [9.0, 9.0, 8.0]) == (shown["loss"]["values"], shown["eval/loss"]["values"])
    compared = check_output(tmp_path, "compare", str(info.folder), str(info.folder), "--json")
    assert shown["loss"] == json.loads(compared)["metrics"]["loss"][0]
    command(tmp_path, "export", str(info.folder), "wide", "wide.csv")
    assert 6 == len((tmp_path / "wide.csv").read_text().splitlines())


def test_evaluations_of_earlier_versions(tmp_path: Path) -> None:
    """In a journal whose evaluations have no mode, they are evaluations nevertheless."""
    run = write(tmp_path, {"step": 1, "loss": 1.0}, {"type": "evaluation", "step": 1, "loss": 9.0})
    journal = run.folder / "events.jsonl"
    journal.write_text(journal.read_text().replace(',"mode":"eval"', ""))
    (run.folder / "run.json").unlink()

    assert {(1, "train"): 1.0, (1, "eval"): 9.0} == by_mode(
        run.metrics("loss", wide=True).to_pylist(), "loss"
    )


def test_several_events_of_a_step(tmp_path: Path) -> None:
    """Each field of several events has the value of its aggregate, and `events` has them all."""
    info = start(tmp_path)
    for rewards in ([0.0, 0.0, 0.0, 4.0], [1.0, 1.0], [5.0]):
        logflume.get_reward_logger().info("reward", step=1, f=rewards, num_generations=2)
    for loss, tokens in ((1.0, 10), (2.0, 20)):
        logflume.get_logger().info(
            "training", step=1, loss=loss, num_tokens=tokens, learning_rate=loss
        )
    for loss, n in ((1.0, 3), (5.0, 1)):
        logflume.get_logger().info("evaluation", step=1, loss=loss, n=n)
    logflume.shutdown()
    run = logflume.open_run(info.folder)

    statistics = ("mean", "std", "min", "max", "n", "frac_zero_std")
    (row,) = run.metrics(*(f"rewards/f/{name}" for name in statistics), wide=True).to_pylist()
    values = [0.0, 0.0, 0.0, 4.0, 1.0, 1.0, 5.0]
    mean = sum(values) / 7
    std = (sum((value - mean) ** 2 for value in values) / 6) ** 0.5
    expected = [mean, std, 0.0, 5.0, 7.0, 2 / 3]
    assert pytest.approx(expected) == [row[f"rewards/f/{name}"] for name in statistics]
    training, evaluation = run.metrics(wide=True, events=["training", "evaluation"]).to_pylist()
    assert (1.5, 20.0, 2.0) == tuple(
        training[name] for name in ("loss", "num_tokens", "learning_rate")
    )
    assert (2.0, 4.0) == (evaluation["loss"], evaluation["n"])
    assert [1.5, 2.0] == [row["value"] for row in run.metrics("loss").to_pylist()]
    assert 2 == len(run.events("training"))


def test_a_spread_of_single_values(tmp_path: Path) -> None:
    """A batch of one value, which has no spread of its own, adds to that of its step."""
    info = start(tmp_path)
    for values in ([0.0], [1.0], [1.0, 1.0]):
        logflume.get_reward_logger().info("reward", step=1, f=values)
    logflume.shutdown()
    (row,) = logflume.open_run(info.folder).metrics("rewards/f/std", wide=True).to_pylist()
    assert pytest.approx(0.5) == row["rewards/f/std"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ["loss", "rewards/a/mean"]),
        (("rewards/a/mean", "loss"), ["rewards/a/mean", "loss"]),
        (("reward.rewards/a/mean",), ["reward.rewards/a/mean"]),
        (("training.loss", "loss"), ["training.loss", "loss"]),
        (("rewards/*/mean",), ["rewards/a/mean"]),
        (("reward.rewards/*",), ["rewards/a/mean"]),
        (("weights.a/mean", "weights.a/*"), ["weights.a/mean"]),
        (("weights.*",), ["weights.a/mean"]),
        (("kl", "loss"), ["kl", "loss"]),
    ],
)
def test_names_of_columns(tmp_path: Path, names: tuple[str, ...], expected: list[str]) -> None:
    """A column is named as requested by name, else by its field; after the type if that is own."""
    rewards = {"type": "reward", "step": 1, "rewards/a/mean": 0.5}
    own = {"type": "weights", "step": 1, "a/mean": 2.0}
    run = write(tmp_path, {"step": 1, "loss": 1.0}, rewards, own)
    assert ["step", "mode", *expected] == run.metrics(*names, wide=True).column_names


def test_a_metric_of_two_types(tmp_path: Path) -> None:
    """If two types have the requested metric, the first one's column has its plain name."""
    events = [{"type": event, "step": 1, "x/mean": v} for event, v in (("reward", 1.0), ("b", 2.0))]
    run = write(tmp_path, *events)
    (row,) = run.metrics("x/mean", wide=True, events=["b", "reward"]).to_pylist()
    assert {"step": 1, "mode": "train", "x/mean": 2.0, "reward.x/mean": 1.0} == row


def test_metrics_without_a_step(tmp_path: Path) -> None:
    """Values without a step have no row in the wide form, and one each in the long form."""
    run = write(tmp_path, {"tokens": 7.0}, {"tokens": 7.0}, {"step": 1, "loss": 0.5})
    for names in ((), ("tokens", "loss"), ("tok*", "loss")):
        (row,) = run.metrics(*names, wide=True).to_pylist()
        assert (1, 0.5, None) == (row["step"], row["loss"], row["tokens"])
    assert [None, None] == run.metrics("tokens")["step"].to_pylist()
    assert [] == run.metrics("tokens", wide=True, steps=(5, 6)).to_pylist()
    command(tmp_path, "export", str(run.folder), "wide", "wide.json")
    assert [1] == [row["step"] for row in json.loads((tmp_path / "wide.json").read_text())]


@pytest.mark.parametrize("name", ["!x", "^x", "]x", "a[1]", "x*", "x/right", "value", "name", "-"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    """A metric is found by its exact name, whatever characters it has."""
    run = write(tmp_path, {"step": 1, name: 0.5, "other": 1.0}, {"step": 2, "other": 1.0})
    assert [0.5] == run.metrics(name)["value"].to_pylist()
    assert [0.5, None] == run.metrics(name, wide=True)[name].to_pylist()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0.5, "auto", [0.5]),
        ("auto", 0.5, [0.5]),
        (True, 0.5, [0.5]),
        (0.5, [1.0, 2.0], [0.5]),
        (0.5, 2, [0.5, 2.0]),
    ],
)
def test_a_metric_of_two_kinds(tmp_path: Path, first: Any, second: Any, expected: Any) -> None:
    """The numbers of a metric are found even if the field has another kind in another run."""
    write(tmp_path, {"step": 1, "x": first}, run="a")
    write(tmp_path, {"step": 1, "x": second}, run="b")
    runs = logflume.open_runs(tmp_path / "*")
    for names in (("x",), ("x*",), ()):
        assert expected == runs.metrics(*names)["value"].to_pylist()
        wide = runs.metrics(*names, wide=True)["x"].to_pylist()
        assert expected == [value for value in wide if value is not None]


def test_integers_and_numbers_in_two_runs(tmp_path: Path) -> None:
    """A field that is an integer in one run's files and a number in another's is a number."""
    for name, kind in (("a", "bigint"), ("b", "double")):
        run = write(tmp_path, {"step": 1, "x": 2.0}, run=name)
        (part,) = (run.folder / "parquet" / "training").glob("*.parquet")
        rewrite_column(part, "x", kind)
    runs = logflume.open_runs(tmp_path / "*")
    assert [2.0, 2.0] == runs.metrics("x")["value"].to_pylist()
    assert [2.0, 2.0] == runs.events("training")["x"].to_pylist()


def rewrite_column(part: Path, name: str, kind: str) -> None:
    import duckdb

    other = part.with_suffix(".other")
    query = f"select * replace (x::{kind} as {name}) from '{part}'"
    duckdb.sql(f"copy ({query}) to '{other}' (format parquet)")
    other.replace(part)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("status", "'status' is not a number but string.*events"),
        ("!los", "no metric '!los'; did you mean 'loss'"),
        ("los", "did you mean 'loss'"),
        ("seq", "no metric 'seq'"),
    ],
)
def test_what_is_no_metric(tmp_path: Path, name: str, reason: str) -> None:
    """A name that is not that of a metric is an error that says what is there instead."""
    run = write(tmp_path, {"step": 1, "loss": 1.0, "status": "warm"})
    with pytest.raises(logflume.LogflumeError, match=reason):
        run.metrics(name)


def test_the_mean_of_huge_numbers(tmp_path: Path) -> None:
    """The mean of numbers is finite if they are, also where their sum isn't."""
    huge = sys.float_info.max
    run = logflume.initialize(dir=tmp_path)
    for value in (huge, huge, -huge, huge):
        logflume.get_logger().info("training", step=1, x=value, y=huge)
    logflume.shutdown()
    (row,) = logflume.open_run(run.folder).metrics(wide=True).to_pylist()
    assert (pytest.approx(huge / 2), pytest.approx(huge)) == (row["x"], row["y"])


def test_names_of_types_of_your_own(tmp_path: Path) -> None:
    """A metric of an undeclared type has the name that `show` and `plot` print."""
    run = write(tmp_path, {"type": "weights", "step": 1, "a/mean": 2.0})
    shown = summarize_metrics(run)

    assert ["weights.a/mean"] == list(shown)
    assert [2.0] == [row["value"] for row in run.metrics(*shown).to_pylist()]
    with pytest.raises(QueryError, match=r"no metric 'a/mean'; did you mean 'weights.a/mean'?"):
        run.metrics("a/mean")


@pytest.mark.parametrize("name", ["x/mean", "training.x/mean", "reward.x/mean", "training.x*"])
def test_names_with_a_type_in_show(tmp_path: Path, name: str) -> None:
    """`show` accepts the names that `run.metrics()` does."""
    event = {"type": name.partition(".")[0] if "." in name else "reward", "step": 1, "x/mean": 1.0}
    run = write(tmp_path, event)

    assert ["x/mean"] == list(summarize_metrics(run, [name]))
    assert 1 == len(run.metrics(name))


def test_rewards_without_a_step_are_shown(tmp_path: Path) -> None:
    """Rewards that were logged without a step are shown, even if the training has steps."""
    run = write(tmp_path, {"step": 1, "loss": 1.0}, {"type": "reward", "x/mean": 1.0})
    assert {"loss", "x/mean"} == set(summarize_metrics(run))
