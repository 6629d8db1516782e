"""Killed processes: the run itself, and those that replay or repair it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.maintenance.readers import read_journal, read_outputs
from tests.maintenance.runs import contents, write_large

SCRIPT = """
import sys, time
from pathlib import Path
from tests.maintenance.runs import log_steps, start
import logflume

start(Path(sys.argv[1]))
for step in range(6):
    log_steps(step)
    assert logflume.flush()
print("ready", flush=True)
for step in range(6, 100_000):
    log_steps(step)
    time.sleep(0.005)
"""


def start_script(text: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that runs a Python script."""
    command = [sys.executable, "-c", textwrap.dedent(text), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process, and wait for its end."""
    process.kill()
    process.communicate()


def wait_for_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_busy_run(tmp_path: Path) -> None:
    """A run that is written without a pause has no issues, however often it is checked."""
    process = start_script(SCRIPT, str(tmp_path))
    assert "ready" == wait_for_line(process)
    issues = [diagnose(tmp_path / "r") for _ in range(3)]
    assert process.poll() is None
    kill(process)

    assert [[], [], []] == issues


def test_a_killed_run(tmp_path: Path) -> None:
    """The kill is reported, and a repair completes the sink files but not the journal."""
    process = start_script(SCRIPT, str(tmp_path))
    assert "ready" == wait_for_line(process)
    kill(process)
    folder = tmp_path / "r"
    events = read_journal(folder)
    issues = {(issue.file, issue.what) for issue in diagnose(folder)}

    what = "the status is 'running', but no process is writing the run: it was killed"
    assert ("run.json", what) in issues
    assert [] == repair(folder)
    assert [] == diagnose(folder)
    assert events == read_journal(folder)
    repaired = read_outputs(folder)
    replay(folder, ["parquet", "csv", "tensorboard", "console"])
    assert repaired == read_outputs(folder)


KILLED_IN_CALL = """
import os, signal, sys
from pathlib import Path
import logflume.{module} as module

calls = 0

def kill_in_call(*args, **kwargs):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)

original, module.{name} = module.{name}, kill_in_call
from logflume.maintenance.replay import replay
from logflume.maintenance.repair import repair
{work}
"""
"""A script that kills itself in a given call of a function."""

REPLAY = 'replay(Path(sys.argv[1]), ["parquet", "csv", "tensorboard", "console"])'
CALLS = [
    *(("formats.atomic", "_swap_in", call) for call in range(1, 9)),
    *(("formats.atomic", "exchange", call) for call in (1, 2)),
    ("maintenance.replay", "keep_foreign_files", 1),
    ("formats.atomic", "clean_up", 6),
]
"""Calls during a replay: module, function and number of the call."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"))


@pytest.mark.parametrize(("module", "name", "call"), CALLS)
def test_a_killed_replay(module: str, name: str, call: int, large: Path, tmp_path: Path) -> None:
    """Sink files are the old or the new ones, complete; the next replay removes stale files."""
    folder = shutil.copytree(large, tmp_path / "r")
    before = read_outputs(folder)
    text = KILLED_IN_CALL.format(module=module, name=name, call=call, work=REPLAY)
    process = start_script(text, str(folder))
    process.communicate()
    assert -9 == process.returncode
    assert before == read_outputs(folder)
    assert any(path.name.endswith(".replay") for path in folder.iterdir())

    replay(folder, ["parquet", "csv", "tensorboard", "console"])
    assert before == read_outputs(folder)
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert [] == diagnose(folder)


def test_folders_that_cannot_be_exchanged(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is replaced by two renames; the next call recovers from a kill between them."""
    folder = shutil.copytree(large, tmp_path / "r")
    before = read_outputs(folder)
    monkeypatch.setattr("logflume.formats.atomic.exchange", lambda *_paths: False)
    replay(folder, ["parquet", "tensorboard"])
    assert before == read_outputs(folder)

    staging = folder / ".parquet.replay"
    staging.mkdir()
    (folder / "parquet").rename(staging / "old")
    (staging / "parquet").mkdir()
    assert [] == repair(folder)
    assert before == read_outputs(folder)


@pytest.mark.parametrize("call", [1, 2])
def test_a_killed_repair(call: int, large: Path, tmp_path: Path) -> None:
    """A damaged journal that is being repaired is either the old or the new file."""
    folder = shutil.copytree(large, tmp_path / "r")
    journal = folder / "events-rank1.jsonl"
    journal.write_bytes(b"no event\n" + journal.read_bytes())
    events = contents(large)["events-rank1.jsonl"]
    text = KILLED_IN_CALL.format(
        module="maintenance.repair", name="_back_up", call=call, work="repair(Path(sys.argv[1]))"
    )
    process = start_script(text, str(folder))
    process.communicate()

    assert events in journal.read_bytes()
    repair(folder)
    assert events == journal.read_bytes()
    assert [] == diagnose(folder)
