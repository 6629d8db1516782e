"""Hyperparameters that user and trainer state: every view of a run shows the same value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import logflume
from tests.cli.commands import check_output
from tests.event_helpers import JOURNAL

STATED = {"learning_rate": 1, "mine": 8, "seed": 3}
EXPECTED = {"learning_rate": 2, "mine": 8, "seed": 3, "beta": 0.5}


def write(folder: Path, run: str, *reported: dict[str, Any]) -> None:
    """Write a run with an attempt for each report of its trainer."""
    for hyperparameters in reported:
        logflume.initialize(JOURNAL, dir=folder / "logs", run=run, hyperparameters=STATED)
        logflume.get_training_logger().info("run_started", hyperparameters=hyperparameters)
        logflume.log_training_progress(1, {"loss": 0.5})
        logflume.shutdown()


def answer(folder: Path, *arguments: str) -> Any:
    return json.loads(check_output(folder, *arguments, "--json"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the run `plain`, and with `continued`, whose trainer first reported others."""
    latest = {"learning_rate": 2, "beta": 0.5}
    write(tmp_path, "plain", latest)
    write(tmp_path, "continued", {"learning_rate": 7, "beta": 0.1}, latest)
    return tmp_path


def test_the_value_of_the_trainer(here: Path) -> None:
    """`run.info`, `runs`, `show` and `compare` show what the latest attempt was run with."""
    write(here, "other", {"learning_rate": 4})

    listed = {run["run"]: run for run in answer(here, "runs", "logs")}
    for name in ("plain", "continued"):
        run = logflume.open_run(here / "logs" / name)
        assert EXPECTED == run.info.hyperparameters == listed[name]["hyperparameters"]
        assert EXPECTED == answer(here, "show", name)["info"]["hyperparameters"]
        shown = check_output(here, "show", name)
        assert "learning_rate 2 · mine 8 · seed 3 · beta 0.5" in shown
        settings = answer(here, "compare", name, "other")["settings"]
        assert [2, 4] == settings["learning_rate"]


def test_the_value_of_the_trainer_on_the_page(here: Path) -> None:
    """The list of runs and the page of a run show it, too."""
    pytest.importorskip("starlette", reason="the extra `ui` is not installed")
    pytest.importorskip("httpx", reason="httpx is not installed")
    from tests.ui.clients import client_of

    write(here, "other", {"learning_rate": 4})
    with client_of(here / "logs") as client:
        rows = {run["run"]: run for run in client.get("/api/runs").json()["runs"]}
        for name in ("plain", "continued"):
            summary = client.get("/api/run", params={"run": name}).json()
            assert EXPECTED == summary["hyperparameters"]
            assert 2 == rows[name]["hyperparameters"]["learning_rate"]


def test_what_another_rank_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another rank repeats what the user stated; the value is still that of the trainer."""
    write(tmp_path, "r", {"learning_rate": 2, "beta": 0.5})
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "1")
    logflume.initialize(JOURNAL, dir=tmp_path / "logs", run="r", hyperparameters=STATED)
    logflume.shutdown()
    path = tmp_path / "logs" / "r" / "run.json"
    path.write_text(re.sub('"finished"', '"running"', path.read_text()))  # as after a kill

    (listed,) = answer(tmp_path, "runs", "logs")
    info = logflume.open_run(tmp_path / "logs" / "r").info
    assert ("killed", EXPECTED) == (info.status, info.hyperparameters)
    assert EXPECTED == listed["hyperparameters"]
