"""What a front end reads: completions by text, condition and group, curves, phases of a step."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.query.downsample import find_points
from tests.query.independent import journaled
from tests.query.rollout_runs import Completion, write_attempts
from tests.query.training_run import start, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two ranks with six groups of two completions."""
    by_rank = {
        rank: [
            Completion(prompt, prompt % 3, index, prompt / 4, index == 0, "x", step)
            for prompt in (rank, rank + 2, rank + 4)
            for index in range(2)
            for step in (1, 2)
        ]
        for rank in range(2)
    }
    return write_attempts(tmp_path_factory.mktemp("logs"), [by_rank])


def texts(rows: Any) -> list[str]:
    found: list[str] = rows["model_output"].to_pylist()
    return sorted(found)


def test_search_for_a_text(folder: Path) -> None:
    """A text is found in completions and prompts, whatever its case; it is no pattern."""
    run = logflume.open_run(folder)
    events = journaled(folder, "model_output")
    assert 4 == len(run.outputs(search="COMPLETION 0 of 4")) + len(run.outputs(search="1 OF 4"))
    assert 4 == len(run.outputs(search="question 3"))
    assert len(events) == len(run.outputs(search="System\nq"))
    assert 0 == len(run.outputs(search="completion .")) == len(run.outputs(search="%"))
    assert len(events) == len(run.outputs(search=""))


def test_search_for_a_pattern(folder: Path) -> None:
    """A regular expression is one of RE2, and combines with all other filters."""
    run = logflume.open_run(folder)
    expected = sorted(
        event["model_output"]
        for event in journaled(folder, "model_output")
        if re.search(r"^completion [01] of [45]$", event["model_output"]) and event["step"] == 2
    )
    found = run.outputs(search=r"^completion [01] of [45]$", regex=True, steps=2)
    assert expected == texts(found)
    assert 2 == len(run.outputs(search="of [45]$", regex=True, steps=2, correct=True))
    (worst,) = run.outputs(search="of [45]$", regex=True, worst=1).to_pylist()
    assert 1.0 == worst["rewards/total"]
    for pattern in ("(", r"(a)\1"):
        with pytest.raises(logflume.QueryError, match=re.escape(f"search={pattern!r}: ")):
            run.outputs(search=pattern, regex=True)
    with pytest.raises(logflume.QueryError, match="regex=True needs a pattern"):
        run.outputs(regex=True)


def test_where(folder: Path) -> None:
    """A condition in SQL selects completions before the best ones are taken."""
    run = logflume.open_run(folder)
    condition = "\"columns/level\" = 'level 1' and step = (select max(step) from events)"
    expected = sorted(
        event["model_output"]
        for event in journaled(folder, "model_output")
        if event["columns/level"] == "level 1" and event["step"] == 2
    )
    assert expected == texts(run.outputs(where=condition))
    rows = run.outputs(where=condition, best=1, columns=["prompt_id", "step"]).to_pylist()
    assert [{"prompt_id": f"{4:016x}", "step": 2}] == rows
    assert 4 == len(run.outputs(where="columns('rewards/.*') > 1.1", search="OF 5"))
    assert 0 == len(run.outputs(where="step > 99"))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("stpe > 1", "no event here has the field 'stpe'"),
        ("step > ", "where 'step > ': "),
        ("true); drop table x; --", "Parser Error"),
        ("exists (from read_csv('/etc/passwd'))", "where .*(ermission|disabled)"),
    ],
)
def test_invalid_conditions(folder: Path, condition: str, message: str) -> None:
    """A condition reads nothing but the completions, and an error names it."""
    with pytest.raises(logflume.QueryError, match=message):
        logflume.open_run(folder).outputs(where=condition)


def test_completions_of_groups(folder: Path) -> None:
    """Groups are given by number, or as the rows of `groups()`, whatever was filtered before."""
    run = logflume.open_run(folder)
    expected = texts(run.outputs(steps=1, where='"group" in (0, 2)'))
    assert expected == texts(run.outputs(steps=1, groups=[0, 2]))
    groups = run.groups(steps=1)
    assert 6 == len(groups)
    assert texts(run.outputs(steps=1)) == texts(run.outputs(groups=groups))
    one = groups.to_pylist()[0]
    found = run.outputs(groups=[one]).to_pylist()
    assert {(1, one["group"], one["prompt_id"])} == {
        (row["step"], row["group"], row["prompt_id"]) for row in found
    }
    assert 2 == len(found)
    assert 0 == len(run.outputs(groups=[]))
    with pytest.raises(logflume.QueryError, match="neither the number of a group nor a row"):
        run.outputs(groups=["first"])  # type: ignore[list-item]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=400), st.integers(5, 60))
def test_points_of_any_curve(values: list[float], max_points: int) -> None:
    """The kept points include the first, the last, the extremes, and a NaN if there is any."""
    array = np.array(values, float)
    kept = find_points(array, max_points)
    assert len(kept) <= max_points
    assert sorted(set(kept.tolist())) == kept.tolist()
    if not values:
        return
    assert {0, len(values) - 1} <= set(kept.tolist())
    numbers = array[~np.isnan(array)]
    if len(numbers):
        assert (numbers.min(), numbers.max()) == (np.nanmin(array[kept]), np.nanmax(array[kept]))
    assert np.isnan(array).any() == np.isnan(array[kept]).any()


def test_curves_of_few_points(tmp_path: Path) -> None:
    """`max_points` limits each curve by itself, in the long form and in the wide one."""
    run = logflume.open_run(write_run(tmp_path, range(1, 101)))
    every = run.metrics("loss", "rewards/form/mean").to_pylist()
    some = run.metrics("loss", "rewards/form/mean", max_points=12).to_pylist()
    assert all(row in every for row in some)
    losses = [row for row in some if (row["name"], row["event"]) == ("loss", "training")]
    assert 5 <= len(losses) <= 12
    assert [1, 100] == [losses[0]["step"], losses[-1]["step"]]
    wide = run.metrics("loss", "reward", wide=True, max_points=12).to_pylist()
    whole = {
        (r["step"], r["mode"]): r for r in run.metrics("loss", "reward", wide=True).to_pylist()
    }
    for name in ("loss", "reward"):
        values = {(r["step"], r["mode"]): r[name] for r in wide if r[name] is not None}
        assert 5 <= len(values) <= 2 * 12
        assert all(whole[key][name] == value for key, value in values.items())
    with pytest.raises(logflume.QueryError, match="max_points=4: expected 5 or more"):
        run.metrics("loss", max_points=4)


def test_phases_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's time is that of the slowest rank in each batch of rollouts, and the rest."""
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        folder = start(tmp_path).folder
        log = logflume.get_logger()
        for step, generation in ((1, 0), (1, 1), (3, 2)):
            log.info(
                "generation", step=step, mode="train", generation=generation,
                generate_s=1.0 + rank, reward_s={"a": 0.5, "b": 0.25 * rank},
            )  # fmt: skip
        log.info("generation", step=3, mode="eval", generation=3, generate_s=100.0)
        for step, step_time, tokens in ((2, 5.0, 1000.0), (3, 4.0, 1600.0), (4, 1.0, None)):
            if rank == 0:
                log.info(
                    "training", step=step, mode="train", step_time=step_time, num_tokens=tokens
                )
        logflume.shutdown()
    rows = logflume.open_run(folder).throughput().to_pylist()
    assert [(2, 2, 5.0, 2.0, 0.75, 2.25), (3, 1, 4.0, 2.0, 0.75, 1.25), (4, 1, 1.0, 0, 0, 1.0)] == [
        tuple(row[n] for n in ("step", "steps", "step_s", "generation_s", "rewards_s", "rest_s"))
        for row in rows
    ]
    assert [(1000, 100.0), (600, 150.0), (None, None)] == [
        (row["tokens"], row["tokens_per_s"]) for row in rows
    ]
    assert [0.4, 0.5, 0.0] == [row["generation_share"] for row in rows]
    assert all(
        math.isclose(1.0, sum(row[f"{phase}_share"] for phase in ("generation", "rewards", "rest")))
        for row in rows
    )


def test_a_run_without_rollouts(tmp_path: Path) -> None:
    """A run without completions or times has empty results."""
    folder = start(tmp_path).folder
    logflume.get_logger().info("training", step=1, mode="train", loss=0.5)
    logflume.shutdown()
    run = logflume.open_run(folder)
    for table in (
        run.prompts(), run.groups(), run.signal(), run.throughput(), run.pass_at(8), run.best_at(2),
        run.majority_at(2), run.outputs(search="x"), run.outputs(where="step > 1"),
    ):  # fmt: skip
        assert 0 == len(table)
