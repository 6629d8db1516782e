"""Fixtures of all tests; each test starts without a pipeline, a step or buffered events."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import logflume
from logflume.logger.channels import CHANNELS
from tests.demo.runs import DemoRun, run_demo
from tests.maintenance.runs import write_run

# Tests run in parallel, so more threads would only compete. Subprocesses inherit this; it has an
# effect on libraries that are imported after it.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let one worker of pytest-xdist run all tests that share a costly fixture."""
    from tests.scheduling import SharedFixturesScheduling

    return SharedFixturesScheduling(config, log)


@pytest.fixture(autouse=True)
def _fresh_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("LOGFLUME_CONFIG", "LOGFLUME_RUN", "LOGFLUME_DIR", "LOGFLUME_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    yield
    logflume.shutdown()
    logflume.set_step(None)
    CHANNELS.buffer.take(len(CHANNELS.buffer))
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(params=["thread", "process"])
def each_worker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test twice: its programs use `worker: thread`, then `worker: process`."""
    monkeypatch.setenv("WORKER", request.param)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every sink, which no test changes."""
    return write_run(tmp_path_factory.mktemp("written"), range(2))


@pytest.fixture
def run(tmp_path: Path, written: Path) -> Path:
    """A copy of that run, for one test."""
    return Path(shutil.copytree(written, tmp_path / "r"))


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The run of `make demo`: 40 steps of GRPO, all five sinks."""
    return run_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def hack_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """A run whose reward function pays for every closing tag, which the model learns to exploit."""
    return run_demo(tmp_path_factory.mktemp("hack"), "--lenient-format")
