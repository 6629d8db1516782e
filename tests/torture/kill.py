"""The scenario `kill`: `kill -9` at any instant of a busy run, from its start to its end."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from logflume.runs.lock import is_locked
from tests.fake_sinks import wait_until
from tests.torture.checks import (
    SinkRows,
    check_complete,
    check_lost_events,
    check_retained,
    read_sink_files,
)
from tests.torture.forked_processes import ForkServer
from tests.torture.progress_file import Progress, read_progress
from tests.torture.scenario_result import ScenarioResult
from tests.torture.torn_writes import append_torn_writes

__all__ = ["kill"]

CONCURRENT_RUNS = 3
PROGRAM = "tests.torture.busy_run:log_in_bursts"
MAX_KILLS = 5
MAX_LIFETIME_S = {"thread": 0.7, "process": 1.2}
"""The longest time until a kill, by `worker`; a worker process takes longer to start."""

EVENTS = (50, 300, 4_000)
"""How many events a process logs: often more than it can, and some are killed while they end."""


def kill(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Kill attempts of a run, continue it and check its files; several runs at the same time."""
    with ThreadPoolExecutor(CONCURRENT_RUNS) as threads:
        generators = [Random(random.random()) for _ in range(CONCURRENT_RUNS)]
        for partial in threads.map(lambda own: _kill_until(own, until_s, folder), generators):
            result.merge(partial)


def _kill_until(random: Random, until_s: float, folder: Path) -> ScenarioResult:
    result = ScenarioResult()
    with ForkServer() as server:
        while time.monotonic() < until_s:
            _torture_run(server, result, random, Path(tempfile.mkdtemp(dir=folder)))
    return result


def _torture_run(server: ForkServer, result: ScenarioResult, random: Random, folder: Path) -> None:
    violations = len(result.violations)
    progress_path, run = folder / "progress", folder / "r"
    before: SinkRows = {}
    kills = 0
    for _ in range(random.randint(1, MAX_KILLS)):
        killed_at_s, code = _kill_once(server, random, folder)
        kills += code == -signal.SIGKILL
        if not run.exists():
            continue
        now = read_sink_files(run, result, "after a kill")
        check_retained(before, now, result, run)
        check_lost_events(read_progress(progress_path), killed_at_s, now, result, run)
        before = now
        # At most one torn write in a file: two in a row could not be told apart.
        if read_progress(progress_path).attempt >= 0 and random.random() < 0.5:
            append_torn_writes(run, random)
            result.faults += 1
    progress = _continue_run(server, random, result, folder)
    now = read_sink_files(run, result, "after the next attempt")
    check_retained(before, now, result, run)
    check_complete(progress, now, run, result)
    result.longest_call_ms = max(result.longest_call_ms, progress.longest_call_s * 1e3)
    if len(result.violations) == violations:
        result.kills += kills
        shutil.rmtree(folder)


def _kill_once(server: ForkServer, random: Random, folder: Path) -> tuple[float, int | None]:
    """Start an attempt and kill it at a random instant; return that instant and the exit code."""
    progress_path = folder / "progress"
    progress_path.unlink(missing_ok=True)
    worker = random.choice(tuple(MAX_LIFETIME_S))
    events = random.choice(EVENTS)
    server.start(
        PROGRAM,
        folder=folder,
        progress_path=progress_path,
        seed=random.random(),
        events=events,
        worker=worker,
    )
    if not server.wait(random.uniform(0, MAX_LIFETIME_S[worker])):
        server.send_signal(signal.SIGKILL)
    killed_at_s = time.monotonic()
    code = server.join()
    # A worker process first writes what it has received, then releases the file lock.
    assert wait_until(lambda: not is_locked(folder / "r" / "run.lock"))
    return killed_at_s, code


def _continue_run(
    server: ForkServer, random: Random, result: ScenarioResult, folder: Path
) -> Progress:
    progress_path, errors = folder / "progress", folder / "errors"
    code = server.run(
        PROGRAM,
        folder=folder,
        progress_path=progress_path,
        seed=random.random(),
        events=100,
        errors=errors,
    )
    result.expect((0, ""), (code, errors.read_text()), f"{folder}: the next attempt")
    return read_progress(progress_path)
