"""Sudden ends of either process: no logged event is lost, and nothing hangs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

import logflume
from logflume.runtime.lifecycle import current_run, report
from tests.event_helpers import own, read
from tests.fake_sinks import wait_until
from tests.scripts import Script, kill
from tests.worker_process.children import WORKER_PROCESS, has_ended, workers


def test_a_killed_worker_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attempt continues on a thread of this process, and no event is lost or hidden."""
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    (worker,) = workers()
    log = logflume.get_logger()
    for number in range(5_000):
        log.info("x", number=number)
        if number == 1_000:
            assert logflume.flush()
        if number == 3_000:
            worker.kill()
        if number == 2_999:
            log.bind(step=1).info("y", part=0)
    assert wait_until(lambda: (now := current_run()) is not None and now.first_seq > 0)
    log.bind(step=1).info("y", part=1)
    assert logflume.shutdown()
    events = read(run.folder / "events.jsonl")
    assert set(range(5_000)) == {e["number"] for e in events if e["event"] == "x"}
    assert list(range(len(events))) == [e["seq"] for e in events]
    assert {0} == {e["attempt"] for e in events}
    parts = logflume.open_run(run.folder).sql("select part from y order by part")
    assert [0, 1] == parts.column("part").to_pylist()
    final = report()
    assert final is not None
    journal = final.sinks["jsonl"]
    assert (
        len(events) == final.accepted == final.written == journal["accepted"] == journal["written"]
    )
    assert "continuing on a thread" in capsys.readouterr().err
    assert "finished" == logflume.open_run(run.folder).info.status


def test_a_worker_process_without_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends itself at the first lack of memory, and this process writes all that it has not."""
    name = "tests.worker_process.scarce_processor:ScarceProcessor"
    scarce = {name: {"mark": str(tmp_path / "mark"), "number": 700}}
    run = logflume.initialize({**WORKER_PROCESS, "processors": [scarce]}, dir=tmp_path / "logs")
    (worker,) = workers()
    for number in range(1_000):
        logflume.get_logger().info("x", number=number)
    assert wait_until(lambda: has_ended(worker))
    assert logflume.shutdown()

    assert (tmp_path / "mark").exists()
    events = read(run.folder / "events.jsonl")
    assert list(range(1_000)) == [e["number"] for e in events if e["event"] == "x"]
    assert list(range(len(events))) == [e["seq"] for e in events]
    assert "continuing on a thread" in capsys.readouterr().err
    assert "finished" == logflume.open_run(run.folder).info.status


def test_a_worker_process_killed_at_once(tmp_path: Path) -> None:
    """One that is killed before it writes anything leaves no trace in the run."""
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    (worker,) = workers()
    worker.suspend()
    for number in range(1_000):
        logflume.get_logger().info("x", number=number)
    worker.kill()
    assert logflume.shutdown()

    events = read(run.folder / "events.jsonl")
    assert list(range(1_000)) == [e["number"] for e in events if e["event"] == "x"]
    assert list(range(len(events))) == [e["seq"] for e in events]
    assert ["run_started"] == [e["event"] for e in events if "started" in e["event"]]


def test_a_killed_training_process(tmp_path: Path) -> None:
    """The worker process writes what it has received and ends; the next attempt can start."""
    script = Script(
        tmp_path,
        """
        config["worker"] = "process"
        start()
        for number in range(1_000):
            log.info("x", number=number)
        say(logflume.flush())
        for number in range(1_000, 3_000):
            log.info("x", number=number)
        wait()
        """,
    )
    assert "True" == script.line()
    (worker,) = workers(script.process.pid)
    kill(script)
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path, run="r")
    assert (1, True) == (run.attempt, has_ended(worker))
    assert logflume.shutdown()
    numbers = script.numbers()
    assert list(range(len(numbers))) == numbers
    assert 1_000 <= len(numbers)


def test_a_fork_outlives_the_training_process(tmp_path: Path) -> None:
    """A fork of a killed training process doesn't keep the worker process running."""
    script = Script(
        tmp_path,
        """
        config["worker"] = "process"
        start()
        pid = os.fork()
        if pid == 0:
            os.close(1), os.close(2)
            wait()
        log.info("x", number=0)
        logflume.flush()
        say(pid)
        wait()
        """,
    )
    forked = psutil.Process(int(script.line()))
    (worker,) = workers(script.process.pid)
    kill(script)
    assert wait_until(lambda: has_ended(worker))
    assert forked.is_running()
    forked.kill()
    assert [0] == script.numbers()


def test_signals_to_the_worker_process(tmp_path: Path) -> None:
    """SIGINT, SIGTERM and SIGHUP don't end the worker process: it ends with the run."""
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    (worker,) = workers()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        worker.send_signal(number)
    logflume.get_logger().info("x", n=1)
    assert logflume.shutdown()
    assert ["x"] == [e["event"] for e in own(read(run.folder / "events.jsonl"))]
    assert os.getsid(0) != worker.pid


def test_a_hanging_worker_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shutdown waits for its timeout, then reports the number of events not written."""
    logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    (worker,) = workers()
    assert logflume.flush()
    worker.suspend()
    for number in range(10):
        logflume.get_logger().info("x", number=number)
    assert not logflume.flush(timeout_s=0.1)
    assert not logflume.shutdown(timeout_s=0.1)
    assert has_ended(worker)
    last = report()
    assert last is not None
    assert 10 == last.dropped
    assert last.accepted == last.written + last.dropped
    assert "events dropped" in capsys.readouterr().err


def test_the_memory_of_texts_is_bounded(tmp_path: Path) -> None:
    """While the worker process is stopped, `max_bytes` bounds the memory; drops are counted."""
    script = Script(
        tmp_path,
        """
        import psutil
        from logflume.runtime.lifecycle import report

        def memory():
            return psutil.Process().memory_info().rss

        config["worker"] = "process"
        start(buffer={"max_bytes": 20_000_000, "block_timeout_s": 0.1})
        log.info("x", number=0, text="a" * 1_000_000)
        logflume.flush()
        (worker,) = [c for c in psutil.Process().children() if c.name() != "git"]
        worker.suspend()
        before = memory()
        for number in range(1, 201):
            log.info("x", number=number, text=chr(number) * 1_000_000)
        say(memory() - before)
        worker.resume()
        logflume.shutdown()
        sink = report().sinks["jsonl"]
        assert sink["accepted"] == sink["written"] + sink["dropped"]
        assert list(report().dropped_by_reason) == ["buffer_full"]
        say(report().accepted)
        say(report().dropped)
        """,
    )
    assert int(script.line()) < 25_000_000
    accepted, dropped = int(script.line()), int(script.line())
    assert (0, f"logflume: events dropped: buffer_full {dropped}\n") == script.end()
    assert 201 + 3 == accepted  # the start, the end and the report
    assert list(range(201 - dropped)) == script.numbers()


def test_functions_of_the_script(tmp_path: Path) -> None:
    """A deferred function of the script, which the worker process can't import, is supported."""
    script = Script(
        tmp_path,
        """
        from functools import partial
        from logflume.logger.channels import CHANNELS
        from logflume.pipeline.records import DeferredRecords

        def make():
            yield "training", "x", {"number": [0]}

        config["worker"] = "process"
        start()
        CHANNELS.buffer.put(DeferredRecords(0, (None, None), partial(make), 1))
        log.info("x", number=1, text="__main__")
        logflume.shutdown()
        """,
    )
    assert (0, "") == script.end()
    assert [0, 1] == script.numbers()


def test_a_worker_process_that_nothing_can_replace(tmp_path: Path) -> None:
    """Without descriptors for a take-over, `shutdown()` ends in time and counts every event."""
    script = Script(
        tmp_path,
        """
        import json, psutil, resource
        config["worker"] = "process"
        start()
        logflume.flush()
        (worker,) = [c for c in psutil.Process().children() if c.name() != "git"]
        worker.suspend()
        for number in range(1_000):
            log.info("x", number=number)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        os.kill(worker.pid, signal.SIGKILL)
        done = logflume.shutdown(1.0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        say(json.dumps([done, logflume.report().dropped_by_reason]))
        start()
        log.info("y", number=0)
        say(logflume.shutdown())
        """,
    )
    done, dropped = json.loads(script.line())
    assert "True" == script.line()
    _, errors = script.end()

    count = dropped["shutdown_timeout"]  # the state of the code may arrive late, as one more event
    assert (False, ["shutdown_timeout"], True) == (done, list(dropped), count in (1_000, 1_001))
    assert f"events dropped: shutdown_timeout {count}" in errors
    assert [] == script.numbers()
    assert [(1, 0)] == [(e["attempt"], e["number"]) for e in script.events() if e["event"] == "y"]
