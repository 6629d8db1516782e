"""Processes that are killed: the run itself, and those that replay and repair."""

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
from tests.rebuilding.runs import log_steps, start
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
    command = [sys.executable, "-c", textwrap.dedent(text), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def wait_for_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_run_that_goes_on_meanwhile(tmp_path: Path) -> None:
    """While a run writes without a pause nothing is wrong with it, however often one looks."""
    process = start_script(SCRIPT, str(tmp_path))
    assert "ready" == wait_for_line(process)
    found = [diagnose(tmp_path / "r") for _ in range(3)]
    assert process.poll() is None
    kill(process)

    assert [[], [], []] == found


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    """Its end is told and what outputs lack is filled in; the journal is not touched."""
    process = start_script(SCRIPT, str(tmp_path))
    assert "ready" == wait_for_line(process)
    kill(process)
    folder = tmp_path / "r"
    events = read_journal(folder)
    found = {(f.file, f.what) for f in diagnose(folder)}

    assert ("run.json", "it says 'running', but nobody writes the run: it was killed") in found
    assert [] == repair(folder)
    assert [] == diagnose(folder)
    assert events == read_journal(folder)
    repaired = read_outputs(folder)
    replay(folder, ["parquet", "csv", "tensorboard", "console"])
    assert repaired == read_outputs(folder)


STOPPED = """
import os, signal, sys
from pathlib import Path
import logflume.rebuilding.{module} as module

calls = 0

def stop(*args, **kwargs):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)

real, module.{name} = module.{name}, stop
from logflume.rebuilding.replay import replay
from logflume.rebuilding.repair import repair
{work}
"""
REPLAY = 'replay(Path(sys.argv[1]), ["parquet", "csv", "tensorboard", "console"])'
PLACES = [
    *(("staging", "_put_in_place", call) for call in range(1, 9)),
    *(("staging", "exchange", call) for call in (1, 2)),
    ("replay", "keep_foreign_files", 1),
    ("staging", "clean_up", 6),
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"))


@pytest.mark.parametrize(("module", "name", "call"), PLACES)
def test_a_replay_that_is_killed(
    module: str, name: str, call: int, large: Path, tmp_path: Path
) -> None:
    """The old outputs or the new ones are there, whole; what is left goes with the next replay."""
    folder = shutil.copytree(large, tmp_path / "r")
    before = read_outputs(folder)
    text = STOPPED.format(module=module, name=name, call=call, work=REPLAY)
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
    """It is two renames then; a kill between them is undone by the next call."""
    folder = shutil.copytree(large, tmp_path / "r")
    before = read_outputs(folder)
    monkeypatch.setattr("logflume.formats.atomic.exchange", lambda *_paths: False)
    replay(folder, ["parquet", "tensorboard"])
    assert before == read_outputs(folder)

    between = folder / ".parquet.replay"
    between.mkdir()
    (folder / "parquet").rename(between / "old")
    (between / "parquet").mkdir()
    assert [] == repair(folder)
    assert before == read_outputs(folder)


@pytest.mark.parametrize("call", [1, 2])
def test_a_repair_that_is_killed(call: int, large: Path, tmp_path: Path) -> None:
    """A journal whose damage is being taken out is the old one or the new one, never none."""
    folder = shutil.copytree(large, tmp_path / "r")
    journal = folder / "events-rank1.jsonl"
    journal.write_bytes(b"no event\n" + journal.read_bytes())
    events = contents(large)["events-rank1.jsonl"]
    text = STOPPED.format(
        module="journal_repair", name="_keep", call=call, work="repair(Path(sys.argv[1]))"
    )
    process = start_script(text, str(folder))
    process.communicate()

    assert events in journal.read_bytes()
    repair(folder)
    assert events == journal.read_bytes()
    assert [] == diagnose(folder)
