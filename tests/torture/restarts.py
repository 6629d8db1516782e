"""The scenario `restarts`: `kill -9`, and the run is continued within milliseconds."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import psutil

import logflume
from tests.fake_sinks import wait_until
from tests.torture.busy_run import CONFIG, log_numbers
from tests.torture.checks import check_complete, read_sink_files
from tests.torture.forked_processes import ForkServer
from tests.torture.progress_file import ProgressWriter, read_progress
from tests.torture.scenario_result import ScenarioResult

__all__ = ["log_to_gated_run", "restarts"]

PROGRAM = f"{__name__}:log_to_gated_run"
MARKER = "LOGFLUME_TORTURE_FOLDER"
"""An environment variable that a worker process inherits: its value is the folder of its run."""

MAX_KILLS = 4
MAX_LIFETIME_S = 1.0
EVENTS = 4_000
LAST_EVENTS = 100
SHUTDOWN_S = 1.0
LAST_SHUTDOWN_S = 30.0
"""The same for the last restart, which must be complete, also on a busy machine."""

ORPHAN_S = 10.0
"""How long a worker process may outlive a training that was killed."""


def log_to_gated_run(
    folder: str, progress_path: str, seed: float, events: int, shutdown_s: float
) -> None:
    """Log in bursts by a worker process, which can't build its sinks while the gate is closed.

    Args:
        folder: Where the run and the gate are.
        progress_path: The file in which to note the progress.
        seed: Determines the bursts.
        events: How many events to log.
        shutdown_s: How long the end waits for the sinks.
    """
    os.environ[MARKER] = folder
    progress_writer = ProgressWriter(Path(progress_path))
    run = logflume.initialize(_config(Path(folder, "gate"), shutdown_s), dir=folder, run="r")
    progress_writer.start(run.attempt)
    log_numbers(progress_writer, Random(seed), events)


def restarts(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Kill and restart until the time is up; meanwhile, if there is time, kill one that starts."""
    has_time = until_s - time.monotonic() > ORPHAN_S
    generators = [Random(random.random()) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(_restart_until, generators[0], until_s, folder)]
        if has_time:
            results.append(threads.submit(_kill_while_building, generators[1], folder))
        for partial in results:
            result.merge(partial.result())


def _restart_until(random: Random, until_s: float, folder: Path) -> ScenarioResult:
    result = ScenarioResult()
    with ForkServer() as server:
        is_first = True
        while is_first or time.monotonic() < until_s:
            is_first = False
            own_folder = Path(tempfile.mkdtemp(dir=folder))
            for _ in range(random.randint(1, MAX_KILLS)):
                result.kills += _start_and_kill(server, result, random, own_folder)
            _restart(server, result, random, own_folder)
            _check_orphans(result, own_folder)
            if not result.violations:
                shutil.rmtree(own_folder)
    return result


def _kill_while_building(random: Random, folder: Path) -> ScenarioResult:
    """Kill a training whose worker process hangs while it builds its sinks."""
    result = ScenarioResult()
    own_folder = Path(tempfile.mkdtemp(dir=folder))
    gate = own_folder / "gate"
    gate.touch()
    with ForkServer() as server:
        server.start(PROGRAM, **_arguments(random, own_folder, EVENTS))
        result.require(wait_until(lambda: _orphans(own_folder)), "the worker process starts")
        server.wait(random.uniform(0, MAX_LIFETIME_S))
        server.send_signal(signal.SIGKILL)
        server.join()
        _check_orphans(result, own_folder)
        gate.unlink()
        _restart(server, result, random, own_folder)
    result.kills += 1
    return result


def _start_and_kill(
    server: ForkServer, result: ScenarioResult, random: Random, folder: Path
) -> bool:
    """Start an attempt and kill it; return whether it was still running."""
    arguments = _arguments(random, folder, random.choice((LAST_EVENTS, EVENTS)))
    server.start(PROGRAM, **arguments)
    if not server.wait(random.uniform(0, MAX_LIFETIME_S)):
        server.send_signal(signal.SIGKILL)
    code = server.join()
    _check_errors(result, folder, arguments["errors"])
    result.require(code in (0, -signal.SIGKILL), f"{folder}: an attempt ended with {code}")
    return code == -signal.SIGKILL


def _restart(server: ForkServer, result: ScenarioResult, random: Random, folder: Path) -> None:
    """Continue the run at once, to its end, and check every sink's files."""
    arguments = {**_arguments(random, folder, LAST_EVENTS), "shutdown_s": LAST_SHUTDOWN_S}
    code = server.run(PROGRAM, **arguments)
    result.expect(0, code, f"{folder}: exit code of the restart")
    _check_errors(result, folder, arguments["errors"])
    rows_by_sink = read_sink_files(folder / "r", result, "after the restart")
    check_complete(read_progress(arguments["progress_path"]), rows_by_sink, folder / "r", result)
    result.ends += 1


def _arguments(random: Random, folder: Path, events: int) -> dict[str, Any]:
    progress_path = folder / "progress"
    progress_path.unlink(missing_ok=True)
    errors = folder / f"errors-{len(list(folder.glob('errors-*')))}"
    return {
        "folder": folder,
        "progress_path": progress_path,
        "seed": random.random(),
        "events": events,
        "shutdown_s": SHUTDOWN_S,
        "errors": errors,
    }


def _check_errors(result: ScenarioResult, folder: Path, errors: Path) -> None:
    """Check that a start was not refused, and that nothing failed."""
    text = errors.read_text() if errors.exists() else ""
    is_clean = "Error" not in text and "Traceback" not in text
    result.require(is_clean, f"{folder}: {errors.name}: {text[-400:]}")


def _check_orphans(result: ScenarioResult, folder: Path) -> None:
    """Check that the worker processes of killed trainings end by themselves."""
    killed_at_s = time.monotonic()
    wait_until(lambda: not _orphans(folder))
    orphans = [process.pid for process in _orphans(folder)]
    result.expect([], orphans, f"{folder}: worker processes left")
    lived_s = time.monotonic() - killed_at_s
    result.require(lived_s < ORPHAN_S, f"{folder}: a worker process lived for {lived_s:.0f} s more")


def _orphans(folder: Path) -> list[psutil.Process]:
    """Return the worker processes that write runs in a folder."""
    return [process for process in psutil.process_iter() if _folder_of(process) == str(folder)]


def _folder_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARKER)
    except (psutil.Error, OSError):
        return None


def _config(gate: Path, shutdown_s: float) -> dict[str, Any]:
    gated = {"type": "tests.torture.ending_sinks:GatedSink", "gate": str(gate)}
    root = {**CONFIG["root"], "sinks": [*CONFIG["root"]["sinks"], "gated"]}
    return {
        **CONFIG,
        "root": root,
        "worker": "process",
        "sinks": {**CONFIG["sinks"], "gated": gated},
        "shutdown_timeout_s": shutdown_s,
    }
