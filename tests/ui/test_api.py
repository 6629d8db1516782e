"""The answers of the server: every figure is what `open_run` says, and nothing else is reached."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.events.catalogue import CATALOGUE, has_curves
from logflume.ui.curves import MAX_POINTS
from tests.ui.clients import client_of
from tests.ui.hostile_run import GROUPS, LONG, SIZE, STEPS
from tests.ui.streams import read_hits

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("httpx", reason="httpx, which Starlette's test client needs, is not installed")


TOTAL = "rewards/total/mean"


@pytest.fixture(scope="session")
def client(runs: Path) -> Iterator[Any]:
    with client_of(runs) as client:
        yield client


def get(client: Any, view: str, **params: Any) -> Any:
    answer = client.get(f"/api/{view}", params={"run": "hostile", **params})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_the_list_has_each_run_once_and_none_outside(client: Any) -> None:
    """A link within the folder is the same run; one that leads outside is no run."""
    rows = {row["run"]: row for row in get(client, "runs")["runs"]}

    assert {"hostile", "empty", "damaged"} == set(rows)
    assert ("finished", STEPS, 0.5 * STEPS) == tuple(
        rows["hostile"][name] for name in ("status", "last_step", "last_reward")
    )
    assert "doctor" in rows["damaged"]["error"]


def test_curves_are_the_metrics_of_the_run(client: Any, runs: Path) -> None:
    """All names, steps and values equal those of `run.metrics`; NaN is a gap."""
    run = logflume.open_run(runs / "hostile")
    types = [name for name in CATALOGUE if name in run.event_types() and has_curves(name)]
    table = run.metrics(wide=True, max_points=MAX_POINTS, events=types)
    names = [name for name in table.column_names if name not in ("step", "mode")]

    answer = get(client, "curves", name=names)

    assert names == answer["names"]
    for name in names:
        steps, values = answer["curves"][name]["train"]
        expected = [None if math.isnan(v) else v for v in table[name].to_pylist() if v is not None]
        assert expected == values
        assert len(steps) == len(values)
    assert None in answer["curves"]["loss"]["train"][1]


def test_groups_are_those_of_the_run(client: Any, runs: Path) -> None:
    """The groups of a step have the figures of `run.groups`, and all of their completions."""
    expected = logflume.open_run(runs / "hostile").groups(steps=2).to_pylist()

    groups = get(client, "groups", step=2)["groups"]

    for name in ("group", "completions", "solve_rate", "reward_mean", "reward_std", "signal"):
        assert [row[name] for row in expected] == [row[name] for row in groups]
    assert [True, False] == [group["signal"] for group in groups]
    assert [SIZE] * GROUPS == [len(group["outputs"]) for group in groups]


@pytest.mark.parametrize(
    ("params", "matching"),
    [
        ({"search": "THEREFORE 2"}, {"2"}),
        ({"search": "therefore [12]", "regex": "1"}, {"1", "2"}),
        ({"min": 1, "max": 2}, {"1", "2"}),
        ({"correct": "1"}, {"2", "3"}),
        ({"truncated": "1"}, {"3"}),
        ({"tool_failed": "1"}, {"2"}),
    ],
)
def test_filters_find_completions(client: Any, params: dict[str, Any], matching: set[str]) -> None:
    """Each filter marks the completions that match, in a step and in the whole run."""
    group = get(client, "groups", step=2, **params)["groups"][0]
    hits = read_hits(client, run="hostile", **params)

    assert matching == {one["id"][-1] for one in group["outputs"] if one["matches"]}
    found = {hit["id"][-1] for hit in hits if (hit["step"], hit["group"]) == (2, 0)}
    assert matching == found


def test_an_open_group_has_every_field(client: Any, runs: Path) -> None:
    """The completions of a group are those of `run.outputs`; JSON's missing numbers are named."""
    expected = logflume.open_run(runs / "hostile").outputs(steps=2, groups=[0]).to_pylist()

    outputs = get(client, "group", step=2, group="0")["outputs"]

    for name in ("id", "model_output", "rewards/total", "advantage", "question"):
        assert [row[name] for row in expected] == [row[name] for row in outputs]
    assert ["NaN", 1.0, 2.0, 3.0] == [row["rewards/<b>evil"] for row in outputs]


def test_a_long_text_is_shortened_and_can_be_read_whole(client: Any, runs: Path) -> None:
    """An answer says how long a text is that it shortens, and the whole text is plain text."""
    first = get(client, "group", step=1, group="0")["outputs"][0]
    params = {"run": "hostile", "step": 1, "id": first["id"], "field": "model_output"}

    whole = client.get("/api/text", params=params)

    assert first["shortened"]["model_output"] == len(whole.text) > LONG
    assert whole.text.startswith(first["model_output"])
    assert "text/plain; charset=utf-8" == whole.headers["content-type"]


def test_prompts_are_those_of_the_run(client: Any, runs: Path) -> None:
    """Solve rates and changes equal `run.prompts`, and each visit has its mean reward."""
    expected = logflume.open_run(runs / "hostile").prompts(between=(1, 3)).to_pylist()

    prompts = get(client, "prompts", first=1, last=3)["prompts"]

    for name in ("prompt_id", "visits", "solve_rate", "change", "before", "after"):
        assert [row[name] for row in expected] == [row[name] for row in prompts]
    assert [[1, "train", 1.5, 0.75], [2, "train", 1.5, 0.5]] == prompts[0]["seen"][:2]
    visits = get(client, "prompt", prompt=prompts[0]["prompt_id"])
    assert STEPS * SIZE == visits["count"] == len(visits["outputs"])


def test_findings_and_messages_are_answered(client: Any) -> None:
    """The page gets the alerts of a run, and its messages."""
    assert [(2, "<b>kl</b>")] == [(a["step"], a["signal"]) for a in get(client, "alerts")["alerts"]]
    assert "pwned" in get(client, "run")["messages"][-1]["message"]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/run?run=secret", 404),
        ("/api/run?run=../outside/secret", 404),
        ("/api/run?run=link", 404),
        ("/api/run", 422),
        ("/api/groups?run=hostile&step=x", 422),
        ("/api/groups?run=hostile&step=1&search=(&regex=1", 422),
        ("/api/group?run=hostile&step=1&group=9", 422),
        ("/%2e%2e/app.py", 404),
        ("/..%2fapp.py", 404),
        ("/nothing", 404),
    ],
)
def test_what_does_not_exist_is_refused(client: Any, url: str, status: int) -> None:
    """Wrong requests, and what is outside of the folders, get one line and no data."""
    answer = client.get(url)

    assert status == answer.status_code
    assert "Traceback" not in answer.text
    assert "structlog" not in answer.text


def test_a_damaged_run_says_so(client: Any) -> None:
    """What is left of it is shown, with the place of the damage."""
    answer = client.get("/api/run?run=damaged").json()

    assert "events.jsonl, line" in answer["damage"]
    assert "model_output" in answer["events"]


def test_an_empty_run_shows_what_it_has(client: Any) -> None:
    """Every view of a run without events has an answer."""
    for name in ("run", "curves", "alerts", "steps", "axes", "ranks", "reward_shares"):
        assert 200 == client.get(f"/api/{name}", params={"run": "empty"}).status_code


def test_reading_writes_nothing_into_a_run(client: Any, runs: Path) -> None:
    """The files of the runs are the same after every kind of request."""

    def files() -> dict[str, tuple[int, int]]:
        paths = [path for path in runs.rglob("*") if path.is_file()]
        return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in paths}

    before = files()
    for name in ("runs", "versions", "run", "curves", "alerts", "steps", "prompts"):
        get(client, name)
    read_hits(client, run="hostile", search="therefore")

    assert before == files()


def test_answers_of_one_moment_share_what_was_looked_up(runs: Path, tmp_path: Path) -> None:
    """A run is looked up again once something was written to it, and where two requests meet."""
    from logflume.ui.run_folders import RunFolders

    folder = Path(shutil.copytree(runs / "hostile", tmp_path / "hostile"))
    folders = RunFolders([tmp_path])
    with folders.pinned("hostile") as first, folders.pinned("hostile") as other:
        assert first is not other
    with folders.pinned("hostile") as run:
        assert run is first
        before = run.event_types()
    with (folder / "events.jsonl").open("ab") as journal:
        journal.write(b"\n")
    with folders.pinned("hostile") as again:
        assert again is not first
        assert before == again.event_types()


def test_an_evaluation_hides_no_rewards(tmp_path: Path) -> None:
    """The rewards of the training come first, although only an evaluation reports `reward`."""
    logflume.initialize(dir=tmp_path, run="a")
    log = logflume.get_logger()
    for step in range(4):
        logflume.set_step(step)
        log.info("training", loss=0.5)
        log.info("reward", right=[1.0, 0.0], form=[0.5, 0.5])
        log.info("evaluation", mode="eval", reward=0.9)
    logflume.shutdown()
    with client_of(tmp_path) as client:
        main = client.get("/api/curves", params={"run": "a"}).json()["main"]

    assert "rewards/total/mean" == main[0]
    assert {"rewards/right/mean", "rewards/form/mean"} == set(main[1:3])
    assert "reward" in main


@pytest.mark.parametrize(
    "reported",
    [{"reward": 0.75, "reward_std": 0.1}, {"critic/score/mean": 0.75}, {"eval_reward": 0.5}, {}],
)
def test_a_total_hides_no_functions(tmp_path: Path, reported: dict[str, float]) -> None:
    """The reward functions of `reward` events are main curves, whoever reports their total."""
    logflume.initialize(dir=tmp_path, run="a")
    log = logflume.get_logger()
    for step in range(4):
        logflume.set_step(step)
        log.info("training", **{"loss": 0.5, **reported})
        log.info("reward", right=[1.0, 0.0], form=[0.5, 0.5])
    log.info("evaluation", mode="eval", accuracy=0.5)
    logflume.shutdown()
    with client_of(tmp_path) as client:
        main = client.get("/api/curves", params={"run": "a"}).json()["main"]

    (total,) = [n for n in reported if n in ("reward", "critic/score/mean")] or [TOTAL]
    functions = {"rewards/right/mean", "rewards/form/mean"}
    assert total == main[0]
    assert functions == set(main[1:3])
    assert {"accuracy", "loss"} <= set(main[3:])
    assert 1 == len({TOTAL, "reward", "critic/score/mean"} & set(main))


def test_functions_that_a_trainer_reports_are_shown_once(tmp_path: Path) -> None:
    """The trainer's curve of a function replaces that of the batches of one rank."""
    logflume.initialize(dir=tmp_path, run="a")
    log = logflume.get_logger()
    for step in range(4):
        logflume.set_step(step)
        log.info("training", **{"reward": 0.75, "rewards/right/mean": 0.5})
        log.info("reward", right=[1.0, 0.0], form=[0.5, 0.5])
    logflume.shutdown()
    with client_of(tmp_path) as client:
        main = client.get("/api/curves", params={"run": "a"}).json()["main"]

    assert ["reward", "rewards/right/mean", "rewards/form/mean"] == main
