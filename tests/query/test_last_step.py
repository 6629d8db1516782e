"""The last step of a continued run, wherever it is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.diagnosis.brief import make_brief
from logflume.ui.answers import Answers
from logflume.ui.run_folders import RunFolders
from tests.cli.commands import run as run_command

ATTEMPT = """
import os, sys
import logflume

folder, first, last, reward, end = sys.argv[1:]
root = "{dir}/{run}"
config = {
    "root": {"sinks": os.environ["SINKS"].split()},
    "sinks": {"jsonl": {"path": f"{root}/events.jsonl"}, "parquet": {"path": f"{root}/parquet"}},
}
logflume.initialize(config, dir=folder, run="r")
for step in range(int(first), int(last) + 1):
    logflume.get_logger("training").info("training", reward=float(reward) + step, step=step)
logflume.flush()
if end == "killed":
    os.kill(os.getpid(), 9)
logflume.shutdown()
"""


def write(folder: Path, first: int, last: int, reward: int, end: str, **env: str) -> None:
    """Write an attempt of the run in a process of its own."""
    arguments = [str(folder), str(first), str(last), str(reward), end]
    environment = {**os.environ, "SINKS": "jsonl parquet", **env}
    subprocess.run([sys.executable, "-c", ATTEMPT, *arguments], check=False, env=environment)


def last_values(folder: Path) -> dict[str, Any]:
    """Return the last step and reward as each command, and the page, has them."""
    shown = json.loads(run_command(folder, "show", "r", "--json").stdout)
    (listed,) = json.loads(run_command(folder, "runs", ".", "--json").stdout)
    compared = json.loads(run_command(folder, "compare", "r", "r", "--json").stdout)
    return {
        "show": (shown["info"]["last_step"], shown["metrics"]["reward"]["last"]),
        "runs": (listed["last_step"], listed["last_reward"]),
        "compare": (shown["info"]["last_step"], compared["metrics"]["reward"][0]["last"]),
    }


@pytest.mark.parametrize("sinks", ["jsonl", "jsonl parquet"])
def test_a_resume_at_a_lower_step(sinks: str, tmp_path: Path) -> None:
    """The last step and value are those of the latest attempt; every view names later steps."""
    write(tmp_path, 0, 20, 0, "killed", SINKS=sinks)
    write(tmp_path, 9, 14, 100, "finished", SINKS=sinks)

    info = logflume.open_run(tmp_path / "r").info
    assert (14, 20) == (info.last_step, info.highest_step)
    assert {(14, 114.0)} == set(last_values(tmp_path).values())
    note = "the steps after it, up to 20, are of an earlier attempt"
    assert f"14; {note}" in run_command(tmp_path, "show", "r").stdout
    assert note == Answers(RunFolders([tmp_path])).run("r")["earlier_steps"]
    brief = make_brief(logflume.open_run(tmp_path / "r"))
    assert "last step 14" in brief
    assert note in brief.lower()
    assert "114; 0, 114" in brief


def test_an_attempt_that_has_reached_all_steps(tmp_path: Path) -> None:
    """No note appears once the latest attempt is past the earlier one."""
    write(tmp_path, 0, 3, 0, "killed")
    write(tmp_path, 2, 5, 100, "finished")

    assert {(5, 105.0)} == set(last_values(tmp_path).values())
    assert logflume.open_run(tmp_path / "r").info.earlier_steps is None


def test_an_attempt_without_a_step(tmp_path: Path) -> None:
    """Until the latest attempt has a step, the last one is that of the attempt before."""
    write(tmp_path, 0, 3, 0, "killed")
    write(tmp_path, 1, 0, 100, "finished")

    assert {(3, 3.0)} == set(last_values(tmp_path).values())


def test_fewer_ranks_after_a_resume(tmp_path: Path) -> None:
    """Ranks of the earlier attempt that the latest one lacks don't count."""
    for rank in (0, 1):
        write(tmp_path, 0, 20, 0, "killed", RANK=str(rank), WORLD_SIZE="2")
    write(tmp_path, 9, 14, 100, "finished")

    assert {(14, 114.0)} == set(last_values(tmp_path).values())
    assert [0] == logflume.open_run(tmp_path / "r").info.ranks


def test_a_rank_that_was_restarted_alone(tmp_path: Path) -> None:
    """All ranks count, and every view says that one was restarted."""
    for rank in (0, 1):
        write(tmp_path, 0, 25, 0, ("finished", "killed")[rank], RANK=str(rank), WORLD_SIZE="2")
    write(tmp_path, 9, 15, 0, "finished", RANK="1", WORLD_SIZE="2")

    assert {(25, 25.0)} == set(last_values(tmp_path).values())
    info = logflume.open_run(tmp_path / "r").info
    assert ([0, 1], 0, "finished") == (info.ranks, info.attempt, info.status)
    assert "Ranks    2; 1 of 2 ranks was restarted" in run_command(tmp_path, "show", "r").stdout
    assert "1 of 2 ranks was restarted" in run_command(tmp_path, "runs", ".").stderr
