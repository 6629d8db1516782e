"""The answers that compute something of their own: shares, changes, axes and common prompts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import logflume
from logflume.ui.reward_shares import read_reward_shares, share_advantages
from tests.ui.clients import client_of
from tests.ui.hostile_run import CONFIG
from tests.ui.rich_runs import COMPLETION_STEPS, LOGPROBS, SOLVED, STEPS

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("httpx", reason="httpx, which Starlette's test client needs, is not installed")


@pytest.fixture(scope="module")
def client(rich_runs: Path) -> Iterator[Any]:
    with client_of(rich_runs) as client:
        yield client


def get(client: Any, view: str, run: str | list[str] = "rich", **params: Any) -> Any:
    answer = client.get(f"/api/{view}", params={"run": run, **params})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_steps_have_their_times_and_tokens(client: Any, rich_runs: Path) -> None:
    """They are those of the trainer's reports, of the latest attempt of each step."""
    run = logflume.open_run(rich_runs / "rich")
    reports = run.events("training", columns=["step", "timestamp", "num_tokens"]).to_pylist()
    reports.sort(key=lambda row: row["step"])

    axes = get(client, "axes")

    assert list(range(1, STEPS + 1)) == axes["steps"]
    assert [row["timestamp"].timestamp() for row in reports] == axes["times"]
    assert [row["num_tokens"] for row in reports] == axes["tokens"]


def test_numbers_of_undeclared_types_are_curves(client: Any) -> None:
    """The event type is in front of their names, as in `run.metrics`."""
    answer = get(client, "curves", name="validation.accuracy")

    assert {"train": [[8, 16, 24], [0.08, 0.16, 0.24]]} == answer["curves"]["validation.accuracy"]
    assert "validation.note" not in answer["names"]


@pytest.mark.parametrize("params", [{}, {"first": 8, "last": 24}])
def test_changes_of_prompts_are_counted_and_filter(client: Any, params: Any) -> None:
    """Counts, lists and their orders follow the solve rates of the visits."""
    answer = get(client, "prompts", **params)

    changes = {row["prompt_id"]: row["change"] for row in answer["prompts"]}
    assert {
        "learned": "always" if params else "newly_solved",
        "lost": "forgotten",
        "hard": "never",
        "easy": "always",
    } == changes
    assert Counter(changes.values()) == answer["counts"]
    for change, count in answer["counts"].items():
        rows = get(client, "prompts", change=change, **params)["prompts"]
        assert (count, {change}) == (len(rows), {row["change"] for row in rows})
    (lost,) = get(client, "prompts", change="forgotten", order="-lost", **params)["prompts"]
    assert 1.0 == lost["lost"]


def test_prompts_come_in_pages_with_all_counted(client: Any, rich_runs: Path) -> None:
    """Pages follow each other without gaps, in an order over all prompts; a text filters them."""
    order = logflume.open_run(rich_runs / "rich").prompts(order="-solve_rate")["prompt_id"]
    pages = [
        get(client, "prompts", order="-solve_rate", limit=3, offset=offset) for offset in (0, 3)
    ]

    assert order.to_pylist() == [row["prompt_id"] for page in pages for row in page["prompts"]]
    assert {len(SOLVED)} == {page["count"] for page in pages}
    found = get(client, "prompts", search="LOST question")
    assert ["lost"] == [row["prompt_id"] for row in found["prompts"]]
    assert (1, len(SOLVED)) == (found["count"], found["all"])
    assert [COMPLETION_STEPS[0], COMPLETION_STEPS[-1]] == found["span"]


def test_common_prompts_have_the_figures_of_each_run(client: Any, rich_runs: Path) -> None:
    """Each run's figures are those of its `prompts`."""
    prompts = get(client, "common_prompts", run=["rich", "other"])["prompts"]

    assert set(SOLVED) == {row["prompt_id"] for row in prompts}
    for name in ("rich", "other"):
        for row in logflume.open_run(rich_runs / name).prompts().to_pylist():
            (shown,) = (
                one["runs"][name] for one in prompts if one["prompt_id"] == row["prompt_id"]
            )
            assert shown == {column: row[column] for column in shown}


def test_tokens_are_those_of_the_run(client: Any) -> None:
    """What the trainer did not know is left out, and one unknown value is null."""
    tokens = get(client, "tokens", id="r-0-8-00", step=8)

    assert LOGPROBS == tokens["logprob"]
    assert {"count", "token_id", "piece", "logprob", "ratio", "mask"} == set(tokens)
    group = get(client, "group", step=8, group="0")
    assert ["r-0-8-00"] == group["with_tokens"]


def test_completions_are_found_by_id(client: Any, rich_runs: Path) -> None:
    """They come in the order of the ids, whatever their steps; unknown ids are omitted."""
    ids = ["r-0-16-21", "no such id", "r-0-4-00"]

    outputs = get(client, "outputs", id=ids)["outputs"]

    assert [ids[0], ids[2]] == [output["id"] for output in outputs]
    (expected,) = (
        logflume.open_run(rich_runs / "rich").outputs(where=f"id = '{ids[0]}'").to_pylist()
    )
    assert expected["model_output"] == outputs[0]["model_output"]


@pytest.mark.parametrize("event", ["reward", "model_output"])
def test_shares_are_found_in_batches_and_in_completions(tmp_path: Path, event: str) -> None:
    """The weights and shares are those of the totals a + 2 b, and what groups differ by is none."""
    rewards = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, None)] * 2
    total = [a + 2 * (b or 0.0) + 10 * (row // 4) for row, (a, b) in enumerate(rewards)]
    # The groups differ by 10, which is no difference within a group.
    shift = [10.0 * (row // 4) for row in range(len(rewards))]
    columns: dict[str, Any] = {
        "a": [a for a, _ in rewards],
        "b": [b for _, b in rewards],
        "shift": shift,
    }
    config = {**CONFIG, "processors": ["tag_step", "flatten_rewards"]}
    logflume.initialize(config, run="r", dir=tmp_path)
    if event == "reward":
        logflume.log_reward_metrics(1, {**columns, "total": total}, num_generations=4)
    else:
        for row, value in enumerate(total):
            fields = {f"rewards/{name}": values[row] for name, values in columns.items()}
            place = {"step": 1, "generation": 0, "group": row // 4, "index": row % 4}
            logflume.get_model_logger().info(
                "model_output", **place, **fields, **{"rewards/total": value}
            )
    logflume.shutdown()

    (window,) = read_reward_shares(logflume.open_run(tmp_path / "r"))["windows"]

    functions = {row["name"]: row for row in window["functions"]}
    assert {"a": 1.0, "b": 2.0, "shift": 1.0} == pytest.approx(
        {name: row["weight"] for name, row in functions.items()}
    )
    deviation = np.array([0.0, 1.0, 2.0, 1.0]) - 1.0
    shares = {
        name: weight * np.array(values) @ deviation / (deviation @ deviation)
        for name, weight, values in (("a", 1, [0, 1, 0, 1]), ("b", 2, [0, 0, 1, 0]))
    }
    assert {**shares, "shift": 0.0} == pytest.approx(
        {name: row["share"] for name, row in functions.items()}
    )
    assert 1 / 3 == pytest.approx(functions["b"]["mean"])


VALUES = st.one_of(st.just(math.nan), st.integers(-3, 3).map(float), st.floats(-10, 10, width=16))


@given(
    st.integers(1, 6).flatmap(
        lambda groups: st.lists(
            st.lists(VALUES, min_size=3, max_size=3), min_size=4 * groups, max_size=4 * groups
        )
    ),
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=3, max_size=3),
)
def test_shares_sum_to_one(rewards: list[list[float]], weights: list[float]) -> None:
    """Whatever the rewards, the weights fit the totals, and the shares are all of the variance."""
    values = np.array(rewards)
    total = np.nan_to_num(values) @ np.array(weights)
    groups = np.repeat(np.arange(len(rewards) // 4), 4)

    found, shares = share_advantages(values, total, groups)

    assert np.nan_to_num(values) @ found == pytest.approx(total, abs=1e-6)
    within = total.reshape(-1, 4) - total.reshape(-1, 4).mean(axis=1, keepdims=True)
    if shares is None:
        assert np.abs(within).max() < 1e-6
    elif np.abs(within).max() > 1e-3:
        assert 1.0 == pytest.approx(shares.sum(), abs=1e-4)
