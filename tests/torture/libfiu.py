"""The scenario `libfiu`: POSIX I/O calls of every kind fail at random; no hang, exact counts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.checks import check_complete, read_sink_files
from tests.torture.failing_io import EVENTS
from tests.torture.forked_processes import ROOT, ForkServer
from tests.torture.progress_file import read_progress
from tests.torture.scenario_result import ScenarioResult

__all__ = ["fail_calls"]

PROBABILITIES = (0.01, 0.05)
TRIES = 3
TIMEOUT_S = 45.0
"""More than `shutdown_timeout_s` and the training, which takes about a second."""

PROGRAM = "tests.torture.busy_run:log_in_bursts"


def fail_calls(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Train with failing calls, once for each probability, and repeat until the time is up."""
    if shutil.which("fiu-run") is None:
        result.skipped.append("failing system calls: fiu-run is missing (Debian: fiu-utils)")
        return
    first_round = True
    with ForkServer() as server:
        while first_round or time.monotonic() < until_s:
            for probability in PROBABILITIES:
                run_folder = Path(tempfile.mkdtemp(dir=folder))
                _train(result, probability, run_folder)
                _check_next_attempt(server, result, random, run_folder)
            first_round = False


def _train(result: ScenarioResult, probability: float, folder: Path) -> None:
    progress_path = folder / "progress"
    code, errors = _run_with_failing_io(folder, progress_path, probability)
    where = f"{folder}, {probability:.0%} of calls fail"
    progress = read_progress(progress_path)
    result.expect(0, code, f"{where}: exit code ({errors[-300:]})")
    result.expect(EVENTS, len(progress.times_s), f"{where}: calls that returned")
    result.longest_call_ms = max(result.longest_call_ms, progress.longest_call_s * 1e3)
    # Even the deletion of merged Parquet parts may have failed; the next attempt deletes them.
    read_sink_files(
        folder / "r", result, f"with {probability:.0%} of calls failing", may_have_copies=True
    )
    counts = folder / "report.json"
    if result.require(counts.exists(), f"{where}: there is no report"):
        _check_counts(result, json.loads(counts.read_text()), where)


def _run_with_failing_io(
    folder: Path, progress_path: Path, probability: float
) -> tuple[int | None, str]:
    """Run the training in a process of its own.

    `fiu-run` adds a thread to the process, so forking from it is not safe. libfiu may hang while
    one thread loads libraries and another thread starts. Arrow's allocator is therefore configured
    to start no thread, and a process that hangs before its training begins is started again.

    Returns:
        The exit code, None if the process hung; its standard error.
    """
    arguments = [str(folder), str(progress_path), str(probability)]
    command = ["fiu-run", "-x", sys.executable, "-m", "tests.torture.failing_io", *arguments]
    environ = {**os.environ, "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    for _ in range(TRIES):
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environ,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            if read_progress(progress_path).attempt >= 0:
                return None, "it hung"
        else:
            return done.returncode, done.stderr
    return None, "it did not start"


def _check_counts(result: ScenarioResult, report: dict[str, Any], where: str) -> None:
    # The pipeline's own reports of faults are accepted, too.
    result.require(
        report["accepted"] >= EVENTS, f"{where}: accepted {report['accepted']} of {EVENTS}"
    )
    result.expect(0, report["dropped"], f"{where}: dropped by the buffer")
    for name, counts in report["sinks"].items():
        total = counts["written"] + counts["dropped"]
        result.expect(counts["accepted"], total, f"{where}: {name} accepted = written + dropped")
        result.faults += counts["failed"]


def _check_next_attempt(
    server: ForkServer, result: ScenarioResult, random: Random, folder: Path
) -> None:
    """Continue the run without failing calls, and check that it is complete."""
    progress_path = folder / "progress"
    code = server.run(
        PROGRAM, folder=folder, progress_path=progress_path, seed=random.random(), events=100
    )
    result.expect(0, code, f"{folder}: the next attempt")
    rows_by_sink = read_sink_files(folder / "r", result, "after the next attempt")
    check_complete(read_progress(progress_path), rows_by_sink, folder / "r", result)
