"""The worker process: the same results as with a worker thread."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings

import logflume
from logflume import testing
from logflume.exceptions import ConfigError, RunError
from logflume.logger.channels import CHANNELS
from logflume.pipeline.records import DeferredRecords
from tests.event_helpers import fields, own, read
from tests.fake_sinks import wait_until
from tests.scripts import Script
from tests.worker_process.children import WORKER_PROCESS, has_ended, workers
from tests.worker_process.hostile_values import hostile_objects

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def log_everything(config: dict[str, Any], folder: Path, batches: list[dict[str, Any]]) -> Any:
    """Log these fields and return the fields of the events in the journal."""
    run = logflume.initialize(config, dir=folder)
    for step, values in enumerate(batches):
        logflume.set_step(step)
        logflume.get_logger("odd").info("odd", values=values)
    assert logflume.shutdown()
    return [fields(e) for e in own(read(run.folder / "events.jsonl"))]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.text(), VALUES), max_size=5))
def test_any_values(batches: list[dict[str, Any]]) -> None:
    """For any values, the journal is the same with a thread and with a process."""
    with tempfile.TemporaryDirectory() as folder:
        on_thread = log_everything({**WORKER_PROCESS, "worker": "thread"}, Path(folder), batches)
        assert on_thread == log_everything(WORKER_PROCESS, Path(folder), batches)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_hostile_values(worker: str, tmp_path: Path) -> None:
    """With any value, step, mode or name, the event arrives with its other fields."""
    run = logflume.initialize({**WORKER_PROCESS, "worker": worker}, dir=tmp_path)
    log = logflume.get_logger("odd")
    count = len(hostile_objects())
    for number, value in enumerate(hostile_objects()):
        log.info("field", number=number, value=value, nested=[{"k": (value,)}])
        log.bind(bound=value).info("bound", number=number)
        log.info("step", number=number, step=value, mode=value)
        log.info(value, number=number)
        log.info("formatted %s", value, number=number)
        logflume.set_step(value, value)
        log.info("stamped", number=number)
        logflume.set_step(number, "train")
        log.info("after", number=number, **{np.str_("name"): value})
    logflume.set_step(None)
    assert logflume.flush()
    assert logflume.shutdown()

    events = [e for e in read(run.folder / "events.jsonl") if e["logger"] == "odd"]
    assert {0} == {e["attempt"] for e in events}
    assert [n for n in range(count) for _ in range(7)] == [e["number"] for e in events]
    for event_type in ("field", "bound", "step", "stamped", "after"):
        assert count == sum(e["event"] == event_type for e in events)
    assert list(range(count)) == [e["step"] for e in events if e["event"] == "after"]
    report = logflume.runtime.lifecycle.report()
    assert report is not None
    assert 0 == report.dropped


def test_arrays_and_tensors(tmp_path: Path) -> None:
    """Arrays and tensors arrive as their values."""
    torch = pytest.importorskip("torch", reason="torch is an extra")
    values = {"a": np.arange(3.0), "t": torch.ones(2, 2), "s": torch.tensor(0.5), "l": [np.int8(1)]}
    on_thread = log_everything({**WORKER_PROCESS, "worker": "thread"}, tmp_path, [values])
    assert "[[1.0,1.0],[1.0,1.0]]" == on_thread[0]["values/t"]
    assert (0.5, [1.0]) == (on_thread[0]["values/s"], on_thread[0]["values/l"])
    assert on_thread == log_everything(WORKER_PROCESS, tmp_path, [values])


def test_process_and_journal(tmp_path: Path) -> None:
    """A run has one worker process, which ends with it; steps and levels are applied."""
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    (worker,) = workers()
    logflume.set_step(7, "train")
    logflume.get_logger().debug("x", n=1)
    logflume.get_logger().info("x", number=1)
    assert logflume.flush()
    assert [(7, "train", 1)] == [
        (e["step"], e["mode"], e["number"])
        for e in read(run.folder / "events.jsonl")
        if e["event"] == "x"
    ]
    assert logflume.shutdown()
    assert has_ended(worker)
    assert ["run_started", "x", "run_finished", "pipeline"] == [
        e["event"] for e in read(run.folder / "events.jsonl")
    ]


def test_early_events(tmp_path: Path) -> None:
    """Events logged before `initialize()` are delivered if their level is enabled."""
    logflume.get_logger().debug("early", number=1)
    logflume.get_logger().info("early", number=2)
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    assert logflume.shutdown()
    assert [2] == [e["number"] for e in own(read(run.folder / "events.jsonl"))]


def test_report(tmp_path: Path) -> None:
    """The report has the same counts as with a thread, during and after the run."""
    logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    logflume.get_logger().info("x", n=1)
    assert logflume.flush()
    running = logflume.runtime.lifecycle.report()
    assert running is not None
    assert (2, 2, 0) == (running.accepted, running.written, running.dropped)
    assert logflume.shutdown()
    ended = logflume.runtime.lifecycle.report()
    assert ended is not None
    assert {"accepted": 4, "written": 4, "dropped": 0, "failed": 0} == ended.sinks["jsonl"]


def obstacles(folder: Path) -> list[dict[str, Any]]:
    events = read(folder / "events.jsonl")
    return [e for e in events if e["event"] == "pipeline" and e["status"] == "limited"]


def test_a_sink_that_is_an_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sink object forces the pipeline onto a thread; one event and one line report it."""
    sink = testing.MemorySink()
    root = {"sinks": ["jsonl", "mine"]}
    sinks = {**WORKER_PROCESS["sinks"], "mine": sink}
    run = logflume.initialize({**WORKER_PROCESS, "root": root, "sinks": sinks}, dir=tmp_path)
    assert [] == workers()
    logflume.get_logger().info("x", n=1)
    assert logflume.shutdown()

    assert ["x"] == [e["event"] for e in own(sink.events)]
    (event,) = obstacles(run.folder)
    assert ("mine", "warning") == (event["component"], event["level"])
    assert (
        "processors and sinks run on a thread of the training process, because the sink 'mine' "
        "is an object" in event["reason"]
    )
    assert 1 == capsys.readouterr().err.count("the sink 'mine' is an object")


@pytest.mark.parametrize(
    ("processors", "reason"),
    [
        (["structlog.stdlib:add_logger_name"], "'structlog.stdlib:add_logger_name' is not detach"),
        ([lambda _logger, _method, event: event], "the processor '<lambda>' is an object"),
    ],
)
def test_other_obstacles(
    processors: list[Any], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Components that aren't detachable, and processor objects, are reported."""
    console = {"sinks": {**WORKER_PROCESS["sinks"], "console": {}}}
    config = {**WORKER_PROCESS, **console, "root": {"sinks": ["jsonl", "console"]}}
    run = logflume.initialize({**config, "processors": processors}, dir=tmp_path)
    assert [] == workers()
    assert logflume.shutdown()
    assert [True] == [reason in event["reason"] for event in obstacles(run.folder)]
    assert 1 == capsys.readouterr().err.count(reason)


def test_a_configured_thread(tmp_path: Path) -> None:
    """With `worker: thread`, nothing is reported."""
    config = {**WORKER_PROCESS, "worker": "thread", "processors": [lambda _l, _m, event: event]}
    run = logflume.initialize(config, dir=tmp_path)
    assert logflume.shutdown()
    assert [] == obstacles(run.folder)


UNWRITABLE = {"sinks": {"jsonl": {"path": "/proc/events.jsonl"}}}


def test_configuration_errors(tmp_path: Path) -> None:
    """Errors in the worker process are raised by `initialize()`, and no process remains."""
    invalid = {**WORKER_PROCESS, "processors": [{"sample_system": {"interval_s": -1}}]}
    with pytest.raises(ConfigError, match="interval_s must be a number of seconds above 0"):
        logflume.initialize(invalid, dir=tmp_path)
    with pytest.raises(RunError, match=r"sinks\.jsonl: can't be opened"):
        logflume.initialize({**WORKER_PROCESS, **UNWRITABLE}, dir=tmp_path)
    assert [] == workers()


def test_a_process_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no process starts, events are written on a thread, and one event reports it."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    logflume.get_logger().info("x", n=1)
    assert logflume.shutdown()
    events = read(run.folder / "events.jsonl")
    (fault,) = (e for e in events if e.get("component") == "worker process")
    assert "it ended with status 1" in fault["reason"]
    assert ["x"] == [e["event"] for e in own(events)]


@pytest.mark.usefixtures("each_worker")
def test_entries_of_the_module_path(tmp_path: Path) -> None:
    """A component is imported from the entry of `sys.path` that an import in the script uses."""
    for name in ("ignored", "a:b", "unused"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(
            f"""
import os
def tag(logger, method, event):
    return {{**event, "found_in": {name!r}, "pid": os.getpid()}}
tag.detachable = True
"""
        )
    script = Script(
        tmp_path,
        """
        from pathlib import Path
        folder = Path(sys.argv[1])
        sys.path[:0] = [folder / "ignored", "", *map(str, (folder / "a:b", folder / "unused"))]
        start(processors=["mine:tag"])
        log.info("x", number=0)
        say(os.getpid())
        """,
    )
    training_id = int(script.line())
    assert (0, "") == script.end()
    script.check_whole(1, "finished")
    assert [] == obstacles(script.folder)
    (event,) = own(script.events())
    assert "a:b" == event["found_in"]
    assert (os.environ["WORKER"] == "thread") == (training_id == event["pid"])


def test_components_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker process imports nothing from the current folder, so such a component runs here."""
    monkeypatch.setenv("WORKER", "process")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.py").write_text(
        "def tag(logger, method, event): return {**event, 'tagged': 1}\ntag.detachable = True\n"
    )
    script = Script(
        tmp_path,
        """
        os.chdir(sys.argv[1] + "/here")
        sys.path.insert(0, "")
        start(processors=["mine:tag"])
        log.info("x", number=0)
        """,
    )
    status, printed = script.end()
    assert 0 == status
    assert "'mine:tag' is in the current folder" in printed
    (event,) = own(script.events())
    assert 1 == event["tagged"]
    (obstacle,) = obstacles(script.folder)
    assert "in the current folder" in str(obstacle)


def test_console_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The training process prints console lines, to its current standard error."""
    config = {"worker": "process", "root": {"sinks": ["console"]}, "sinks": {"console": {}}}
    logflume.initialize(config, dir=tmp_path)
    logflume.get_logger().info("hello there")
    assert logflume.flush()
    assert "hello there" in capsys.readouterr().err


def test_sampling(tmp_path: Path) -> None:
    """`sample_system` measures the training process, not the worker process."""
    run = logflume.initialize(
        {**WORKER_PROCESS, "processors": [{"sample_system": {"interval_s": 0.02}}]}, dir=tmp_path
    )
    (worker,) = workers()

    def sampled() -> list[float]:
        events = read(run.folder / "events.jsonl")
        return [e["process_memory_bytes"] for e in events if e["event"] == "system"]

    assert wait_until(sampled)
    own_bytes = psutil.Process(os.getpid()).memory_info().rss
    assert abs(sampled()[-1] - own_bytes) < abs(sampled()[-1] - worker.memory_info().rss)


def test_deferred_records(tmp_path: Path) -> None:
    """Deferred records are built in the training process."""
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    numbers = deque([1, 2])
    make = lambda: [("training", "x", {"number": list(numbers)})]  # noqa: E731
    CHANNELS.buffer.put(DeferredRecords(0, (3, None), make, 2))
    assert logflume.shutdown()
    logged = [e for e in read(run.folder / "events.jsonl") if e["event"] == "x"]
    assert [(3, 1), (3, 2)] == [(e["step"], e["number"]) for e in logged]


def test_names_and_steps_of_numpy(tmp_path: Path) -> None:
    """NumPy strings and numbers work as names, loggers and steps."""
    run = logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    logflume.set_step(np.int64(5), mode=np.str_("train"))
    log = logflume.get_logger(np.str_("made")).bind(**{np.str_("bound"): 1.0})
    log.info("x", **{np.str_("given"): 2.0})
    logflume.set_step(None)
    assert logflume.shutdown()
    (event,) = [e for e in read(run.folder / "events.jsonl") if e["event"] == "x"]
    expected = {"logger": "made", "step": 5, "mode": "train", "bound": 1.0, "given": 2.0}
    assert expected == {name: event[name] for name in expected}


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has this scheduling policy")
def test_scheduling_policy(tmp_path: Path) -> None:
    """No thread of the worker process preempts a running thread."""
    logflume.initialize(WORKER_PROCESS, dir=tmp_path)
    (worker,) = workers()
    logflume.get_logger("training").info("x", n=1)
    assert logflume.flush()
    policies = {os.sched_getscheduler(thread.id) for thread in worker.threads()}
    assert {os.SCHED_BATCH} == policies
    assert logflume.shutdown()
