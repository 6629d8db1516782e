"""The scenario `starts`: many processes start a run at the same moment."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import logflume
from logflume.guard import Failure, call_guarded
from tests.event_helpers import JOURNAL, own, read
from tests.torture.forked_processes import ForkServer
from tests.torture.scenario_result import ScenarioResult

__all__ = ["start_many", "starts"]

PROGRAM = f"{__name__}:start_many"
PROCESSES = 40


def starts(result: ScenarioResult, _random: Random, until_s: float, folder: Path) -> None:
    """Start runs without a run id at once: each process has a run of its own."""
    with ForkServer() as server:
        is_first = True
        while is_first or time.monotonic() < until_s:
            is_first = False
            own_folder = Path(tempfile.mkdtemp(dir=folder))
            code = server.run(PROGRAM, folder=own_folder, count=PROCESSES)
            result.expect(0, code, f"{own_folder}: processes that failed")
            _check(result, own_folder)


def start_many(folder: str, count: int) -> None:
    """Fork processes that start a run at the same moment, log once and end.

    Args:
        folder: Where the runs are. Each process notes the id of its run in the folder `ids`.
        count: How many.
    """
    ids = Path(folder, "ids")
    ids.mkdir()
    gate, opener = os.pipe()
    children = [_fork(partial(_start, ids, number, gate, opener)) for number in range(count)]
    os.close(gate)
    os.close(opener)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    raise SystemExit(sum(map(bool, codes)))


def _fork(call: Callable[[], None]) -> int:
    """Call in a forked process, which then ends; return its process id."""
    pid = os.fork()
    if pid == 0:
        os._exit(isinstance(call_guarded(call), Failure))
    return pid


def _start(ids: Path, number: int, gate: int, opener: int) -> None:
    os.close(opener)
    os.read(gate, 1)  # the end of the pipe comes for all at once
    run = logflume.initialize(JOURNAL, dir=ids.parent / "runs")
    logflume.get_logger().info("x", number=number)
    logflume.shutdown()
    (ids / str(number)).write_text(f"{run.run} {run.attempt}")


def _check(result: ScenarioResult, folder: Path) -> None:
    """Check that every process had a run of its own, and wrote it."""
    noted = {path.name: path.read_text().split() for path in (folder / "ids").iterdir()}
    result.expect(PROCESSES, len(noted), f"{folder}: processes that had a run")
    result.expect(len(noted), len({run for run, _ in noted.values()}), f"{folder}: run ids")
    for number, (run, attempt) in noted.items():
        events = own(read(folder / "runs" / run / "events.jsonl"))
        numbers = [int(event["number"]) for event in events]
        result.expect([int(number)], numbers, f"{folder}: events of run {run}")
        result.expect("0", attempt, f"{folder}: attempt of run {run}")
        result.checked += len(numbers)
        result.ends += 1
