"""A run is continued: right after a kill, by a daemon, and never by two processes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import logflume
from tests.event_helpers import read
from tests.fake_sinks import wait_until
from tests.scripts import Script, kill
from tests.worker_process.children import WORKER_PROCESS, has_ended, workers

SLOW_SINK = '''
from __future__ import annotations

import pathlib
import time
from typing import Any


class Slow:
    """A sink on a slow disk: it takes its time to write what is left."""

    detachable = True

    def __init__(self, path: str) -> None:
        pathlib.Path(path).touch()

    def write(self, events: Any) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        time.sleep(3)


class Stuck(Slow):
    """A sink on a mount that is gone: it is never built."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        while True:
            time.sleep(1)
'''


def test_a_restart_waits_for_the_worker_of_a_killed_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waits until the worker process has written everything, and a line says so."""
    (tmp_path / "slow_sink.py").write_text(SLOW_SINK)
    script = Script(
        tmp_path,
        """
        sys.path.insert(0, sys.argv[1])
        config["worker"] = "process"
        config["root"]["sinks"].append("slow")
        config["sinks"]["slow"] = {"type": "slow_sink:Slow", "path": "{dir}/{run}/slow"}
        start()
        log.info("x", number=0)
        say(logflume.flush())
        wait()
        """,
    )
    assert "True" == script.line()
    (worker,) = workers(script.process.pid)
    script.process.kill()
    script.process.wait()  # `communicate` would wait for the worker process, too
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path, run="r")

    assert (1, True) == (run.attempt, has_ended(worker))
    expected = f"waiting for process {worker.pid}, which writes what process {script.process.pid}"
    assert expected in capsys.readouterr().err
    assert logflume.shutdown()
    assert [0] == script.numbers()
    script.process.communicate()


def test_a_worker_process_that_is_still_being_built_ends(tmp_path: Path) -> None:
    """The worker process of a killed training ends, also if a sink never returns."""
    (tmp_path / "slow_sink.py").write_text(SLOW_SINK)
    script = Script(
        tmp_path,
        """
        sys.path.insert(0, sys.argv[1])
        config["worker"] = "process"
        config["shutdown_timeout_s"] = 0.1
        config["root"]["sinks"].append("slow")
        config["sinks"]["slow"] = {"type": "slow_sink:Stuck", "path": "{dir}/{run}/slow"}
        start()
        """,
    )
    assert wait_until((script.folder / "slow").exists)
    (worker,) = workers(script.process.pid)
    kill(script)

    assert wait_until(lambda: has_ended(worker))


def test_a_daemon_continues_the_run(tmp_path: Path) -> None:
    """A daemon goes on with its run and all sinks, as the next attempt; its children are forked."""
    script = Script(
        tmp_path,
        """
        config["root"]["sinks"].append("parquet")
        start()
        log.info("x", number=0)
        logflume.flush()
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        log.info("x", number=1)
        log.info("x", number=2)
        pid = os.fork()
        if pid == 0:
            log.info("y", number=3)
            logflume.shutdown()
            os._exit(0)
        os.waitpid(pid, 0)
        say(logflume.shutdown())
        """,
    )
    assert "True" == script.line()
    script.end()

    (child,) = script.folder.glob("events-pid*.jsonl")
    assert [3] == [e["number"] for e in read(child) if e["event"] == "y"]
    assert [0, 1, 2] == script.numbers()
    assert [0, 1, 1] == [e["attempt"] for e in script.events() if e["event"] == "x"]
    assert 3 == logflume.open_run(script.folder).events("x").num_rows
    assert "finished" == logflume.open_run(script.folder).info.status


@pytest.mark.parametrize(
    ("library", "patch"),
    [
        ("gevent", "from gevent import monkey; monkey.patch_all()"),
        ("eventlet", "import eventlet; eventlet.monkey_patch()"),
    ],
)
def test_green_threads(library: str, patch: str, tmp_path: Path) -> None:
    """Threads patched by gevent or eventlet are refused, and the message says what to do."""
    pytest.importorskip(library, reason=f"{library} is not installed")
    program = (
        f"{patch}\nimport logflume\n"
        f"try:\n    logflume.initialize(dir={str(tmp_path / 'logs')!r})\n"
        "except logflume.RunError as error:\n    print(error)\n"
    )
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert f"{library} has replaced Python's threads" in output
    assert "patch(thread=False)" in output or "patch_all(thread=False)" in output
    assert not (tmp_path / "logs").exists()


def test_simultaneous_starts_have_different_runs(tmp_path: Path) -> None:
    """Processes that start in the same second, without a run id, write a run each."""
    program = "import logflume, sys\nrun = logflume.initialize(sys.argv[2], dir=sys.argv[1])\n"
    config = tmp_path / "config.yaml"
    config.write_text(
        "root: {sinks: [jsonl]}\nsinks: {jsonl: {path: '{dir}/{run}/events.jsonl'}}\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "logs"), str(config)]
    processes = [subprocess.Popen(command) for _ in range(12)]

    assert [0] * 12 == [process.wait() for process in processes]
    folders = [path for path in (tmp_path / "logs").iterdir() if not path.is_symlink()]
    assert 12 == len(folders)
    for folder in folders:
        assert {0} == {event["attempt"] for event in read(folder / "events.jsonl")}
