"""File locks: a second process can't write the same run, and no lock outlives its process."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from pathlib import Path

import pytest

import logflume
from logflume.exceptions import RunError
from tests.event_helpers import JOURNAL, own, read
from tests.scripts import CHILDREN, Script, kill, start_and_wait


def test_a_second_process_is_rejected(tmp_path: Path) -> None:
    """The error names the process, its start time, the lock file and the remedies."""
    first = start_and_wait(tmp_path)
    with pytest.raises(RunError) as raised:
        logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    text = str(raised.value)
    kill(first)

    assert f"process {first.process.pid} on {socket.gethostname()} " in text
    for part in ("run 'r', rank 0", str(tmp_path / "r" / "run.lock"), "when_claimed", "RANK"):
        assert part in text
    assert [0] == [int(e["attempt"]) for e in own(read(tmp_path / "r" / "events.jsonl"))]


def test_after_a_kill(tmp_path: Path) -> None:
    """A killed process leaves no lock behind: the next process continues the run."""
    kill(start_and_wait(tmp_path))
    assert (tmp_path / "r" / "run.lock").exists()
    run = logflume.initialize(JOURNAL, dir=tmp_path, run="r")

    assert 1 == run.attempt


@pytest.mark.parametrize(
    "child",
    [
        "pid = os.fork()\nif pid == 0:\n    wait()",
        "pid = os.fork()\nif pid == 0:\n    log.info('y')\n    wait()",
        "import subprocess\npid = subprocess.Popen(['sleep', '1000']).pid",
        "import subprocess\npid = subprocess.Popen(['sleep', '1000'], close_fds=False).pid",
        "process = multiprocessing.Process(target=wait, daemon=True)\n"
        "process.start()\npid = process.pid",
    ],
)
def test_children_that_outlive_the_parent(child: str, tmp_path: Path) -> None:
    """Forked or spawned children don't inherit the lock: it ends with the parent."""
    script = Script(tmp_path, CHILDREN + "start()\n" + child + "\nsay(pid)\nwait()\n")
    pid = int(script.line())
    script.process.kill()
    script.process.wait()
    try:
        assert 1 == logflume.initialize(JOURNAL, dir=tmp_path, run="r").attempt
    finally:
        os.kill(pid, 9)
        script.process.communicate()


def test_the_lock_file_is_removed(tmp_path: Path) -> None:
    """A closed run has no lock file, and any process may continue it."""
    run = logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    assert ["run.lock"] == [path.name for path in run.folder.glob("*.lock")]
    # Reading the file, as an upload of the folder does, doesn't release the lock.
    assert os.getpid() == json.loads((run.folder / "run.lock").read_text())["pid"]
    second = Script(tmp_path, "start()")
    assert 1 == second.end()[0]
    logflume.shutdown()

    assert [] == list(run.folder.glob("*.lock"))
    assert (0, "") == Script(tmp_path, "start()").end()


def test_initialize_again(tmp_path: Path) -> None:
    """A process may initialize the same run repeatedly; each time it is the next attempt."""
    attempts = [logflume.initialize(JOURNAL, dir=tmp_path, run="r").attempt for _ in range(3)]

    assert [0, 1, 2] == attempts


def test_a_forked_child_cant_write_the_parents_run(tmp_path: Path) -> None:
    """A forked child that initializes its parent's run is rejected like any second process."""
    logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    pid = os.fork()
    if pid == 0:
        try:
            logflume.initialize(JOURNAL, dir=tmp_path, run="r")
        except RunError:
            os._exit(3)
        os._exit(0)

    assert 3 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    logflume.get_logger().info("x")
    assert logflume.flush()


def test_ranks_have_separate_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of different ranks write one run simultaneously, each with its own lock."""
    first = start_and_wait(tmp_path)
    monkeypatch.setenv("RANK", "1")
    run = logflume.initialize(JOURNAL, dir=tmp_path, run="r")

    assert (0, 1) == (run.attempt, run.rank)
    assert ["run-rank1.lock", "run.lock"] == sorted(p.name for p in run.folder.glob("*.lock"))
    logflume.shutdown()
    kill(first)


def test_runs_in_one_folder(tmp_path: Path) -> None:
    """Two simultaneous runs in one folder don't write to each other's files."""
    first = start_and_wait(tmp_path)
    run = logflume.initialize(JOURNAL, dir=tmp_path)
    logflume.get_logger().info("x")
    logflume.shutdown()
    kill(first)

    assert {run.run} == {e["run"] for e in read(run.folder / "events.jsonl")}
    assert {"r"} == {e["run"] for e in read(tmp_path / "r" / "events.jsonl")}


def test_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks the run is written, and the missing lock is reported."""

    def fail(_file: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    run = logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    logflume.shutdown()

    (fault,) = (e for e in read(run.folder / "events.jsonl") if e.get("status") == "failed")
    assert "run.lock" == fault["component"]
    assert "No locks available" in fault["reason"]


def test_a_process_that_calls_exec(tmp_path: Path) -> None:
    """`exec` releases the lock, so the new program may continue the run."""
    script = Script(
        tmp_path,
        """
start()
if "again" not in sys.argv:
    log.info("x", number=0)
    logflume.flush()
    os.execv(sys.executable, [sys.executable, *sys.argv, "again"])
log.info("x", number=1)
""",
    )

    assert (0, "") == script.end()
    assert [0, 1] == script.numbers()


def test_a_lock_file_that_cannot_be_created(tmp_path: Path) -> None:
    """A folder that can't be written is reported by name."""
    with pytest.raises(RunError, match="runs can't be written here"):
        logflume.initialize(JOURNAL, dir="/proc", run="r")


def test_a_lock_file_that_cannot_be_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shutdown raises nothing even if the disk fails when the lock file is closed."""
    logflume.initialize({"sinks": {}, "root": {"sinks": []}}, dir=tmp_path)
    assert logflume.flush()  # wait for `run_started`, which runs git, which closes files of its own
    unclosed: list[int] = []

    def fail(file: int) -> None:
        unclosed.append(file)
        raise OSError("the disk has failed")

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", fail)
        assert logflume.shutdown()
    assert unclosed
    for file in unclosed:
        os.close(file)
