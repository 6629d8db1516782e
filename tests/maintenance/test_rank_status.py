"""The status of a run whose ranks didn't all end alike, in every place that shows it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import logflume
from logflume.maintenance.repair import repair
from tests.cli.commands import run as run_command
from tests.maintenance.runs import log_steps, start, write_run

RANK = """
import os, sys
from pathlib import Path
import logflume
from tests.maintenance.runs import log_steps, start

start(Path(sys.argv[1]))
log_steps(0, 1, 2)
assert logflume.flush()
{end}
"""
KILLED = "os.kill(os.getpid(), 9)"
FAILED = "raise ValueError('out of luck')"


def run_rank(folder: Path, rank: int, end: str) -> None:
    """Run a rank in a process of its own, which ends as given after step 2."""
    env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"}
    command = [sys.executable, "-c", RANK.format(end=end), str(folder)]
    done = subprocess.run(command, env=env, check=False, capture_output=True)
    assert done.returncode in (-signal.SIGKILL, 1)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """Return a run of which rank 0 has finished, and rank 1 was killed after step 2."""
    run_rank(tmp_path, 1, KILLED)
    return write_run(tmp_path, range(5))


NOTE = "1 of 2 ranks was killed after step 2"


@pytest.mark.parametrize("is_repaired", [False, True])
def test_a_killed_rank(killed: Path, *, is_repaired: bool) -> None:
    """Python, `show` and `runs` say that a rank was killed, before a repair and after it."""
    if is_repaired:
        assert [] == repair(killed)
    info = logflume.open_run(killed).info
    assert ("killed", NOTE) == (info.status, info.rank_note)
    shown = run_command(killed.parent, "show", str(killed)).stdout
    assert NOTE in shown
    listed = run_command(killed.parent, "runs", ".")
    assert "killed" in listed.stdout
    assert "1 of 2 ranks was killed" in listed.stderr
    (row,) = json.loads(run_command(killed.parent, "runs", ".", "--json").stdout)
    assert ("killed", "1 of 2 ranks was killed") == (row["status"], row["rank_note"])


def test_the_page(killed: Path) -> None:
    """The page's list of runs and its run say so as well."""
    pytest.importorskip("starlette", reason="the extra `ui` is not installed")
    pytest.importorskip("httpx", reason="Starlette's test client needs it")
    from tests.ui.clients import client_of

    with client_of(killed.parent) as client:
        (row,) = client.get("/api/runs").json()["runs"]
        assert ("killed", "1 of 2 ranks was killed") == (row["status"], row["rank_note"])


def test_a_rank_that_failed(tmp_path: Path) -> None:
    """A rank that failed makes a run of which the first rank has finished a failed one."""
    run_rank(tmp_path, 1, FAILED)
    info = logflume.open_run(write_run(tmp_path, range(5))).info
    assert ("failed", "1 of 2 ranks failed after step 2") == (info.status, info.rank_note)


def test_the_first_rank_was_killed(tmp_path: Path) -> None:
    """The run is a killed one, and a rank that has finished doesn't hide that."""
    run_rank(tmp_path, 0, KILLED)
    info = logflume.open_run(write_run(tmp_path, range(5), rank=1)).info
    assert ("killed", "1 of 2 ranks was killed after step 2") == (info.status, info.rank_note)


def test_all_ranks_alike(tmp_path: Path) -> None:
    """Where all ranks have ended alike, there is nothing to say about them."""
    for rank in range(2):
        run_rank(tmp_path, rank, KILLED)
    info = logflume.open_run(tmp_path / "r").info
    assert ("killed", None) == (info.status, info.rank_note)


def test_a_rank_that_is_still_running(tmp_path: Path) -> None:
    """A run is running until all its ranks have ended."""
    code = RANK.format(end="print('ready', flush=True); sys.stdin.read(); logflume.shutdown()")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "RANK": "1", "WORLD_SIZE": "2"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("ready" in line for line in process.stdout)
        folder = write_run(tmp_path, range(5))
        info = logflume.open_run(folder).info
        assert ("running", None) == (info.status, info.rank_note)
        process.communicate("")
    assert "finished" == logflume.open_run(folder).info.status


def test_the_others_went_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the first rank was killed, last step and duration are those of another, as in `show`."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    folder = start(tmp_path)
    run_rank(tmp_path, 0, KILLED)
    log_steps(*range(5))
    logflume.shutdown()

    found = set()
    for repair_first in (False, True):
        if repair_first:
            assert [] == repair(folder)
        info = logflume.open_run(folder).info
        (row,) = json.loads(run_command(tmp_path, "runs", ".", "--json").stdout)
        found |= {(info.last_step, info.duration_s), (row["last_step"], row["duration_s"])}
    ((last_step, duration_s),) = found
    assert 4 == last_step
    assert duration_s is not None
