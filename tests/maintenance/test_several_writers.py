"""Runs with several writers: concurrent attempts and forked children."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import logflume
from logflume.exceptions import RunError
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.event_helpers import read
from tests.maintenance.readers import read_outputs
from tests.maintenance.runs import contents, log_steps, start
from tests.maintenance.test_kills import SCRIPT, kill, start_script, wait_for_line

ALL = ["csv", "parquet", "tensorboard", "console"]


def test_a_concurrent_attempt(tmp_path: Path) -> None:
    """A repair is refused while either attempt is live; all their sink files are rebuilt."""
    first = start_script(SCRIPT, str(tmp_path))
    assert "ready" == wait_for_line(first)
    folder = start(tmp_path, when_claimed="next_attempt")
    log_steps(0, 1)
    assert logflume.flush()
    kill(first)
    with pytest.raises(RunError, match=r"run-attempt1\.lock"):
        repair(folder)
    logflume.shutdown()
    assert not (folder / "run-attempt1.lock").exists()
    assert [] == repair(folder)
    before = read_outputs(folder)
    assert "outputs-attempt1.csv" in before["csv"]
    (folder / "outputs-attempt1.csv").unlink()
    assert "outputs-attempt1.csv" in {issue.file for issue in diagnose(folder)}
    rebuilt = replay(folder, ALL)

    assert "parquet-attempt1" in {result.path.name for result in rebuilt}
    assert before == read_outputs(folder)
    assert [] == diagnose(folder)


FORKING = """
import os, sys, warnings
from pathlib import Path
import logflume
from tests.maintenance.runs import log_steps, start

warnings.simplefilter("ignore", DeprecationWarning)
start(Path(sys.argv[1]))
log_steps(0)
if not (child := os.fork()):
    for number in range(50):
        logflume.get_logger().info("of_child", number=number)
    logflume.shutdown()
    os._exit(0)
os.waitpid(child, 0)
logflume.shutdown()
"""


def test_a_forked_child(tmp_path: Path) -> None:
    """The journal of a forked child is checked and repaired, and a replay doesn't change it."""
    command = [sys.executable, "-c", FORKING, str(tmp_path)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    folder = tmp_path / "r"
    (journal,) = folder.glob("events-pid*.jsonl")
    assert [] == diagnose(folder)
    original = contents(folder)
    replay(folder, ALL)
    assert original[journal.name] == journal.read_bytes()
    assert [] == diagnose(folder)

    journal.write_bytes(original[journal.name] + b'{"torn":')
    assert [(journal.name, "torn last line")] == [(i.file, i.what) for i in diagnose(folder)]
    assert [] == repair(folder)
    assert original[journal.name] == journal.read_bytes()
    lost = read(journal)[10]["seq"]
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:10] + lines[11:]))
    (gap,) = diagnose(folder)
    assert (f"events are missing: attempt 0, seq {lost}", 1) == (gap.what, gap.count)
