"""The scenarios `ends` and `takeover`: a run whose end or worker process is disturbed.

The same process continues the run afterwards, and another run as well.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import msgspec

from tests.torture.end_checks import check_parts
from tests.torture.ending_run import FAULTS, Part, read_ended
from tests.torture.forked_processes import ForkServer
from tests.torture.scenario_result import ScenarioResult

__all__ = ["end_runs", "run_programs", "take_over"]

PROGRAM = "tests.torture.ending_run:log_and_end"
CONCURRENT_PROGRAMS = 2
PARTS = 3
"""Parts of a program with a fault each."""

EVENTS = (20, 400, 3_000)
MAX_DELAYS_S = (0.01, 0.05, 0.3)
"""When a fault begins at the latest: an undisturbed shutdown takes between 5 and 100 ms."""

SLOW_S = 0.05

ABORTED = "cannot allocate memory for thread-local data"
"""What the C library says when it aborts a process that starts a thread without memory."""

MakePart = Callable[[Random, str, str], Part]


def end_runs(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Disturb ends of runs, and let the process go on with the same run and with another one."""
    run_programs(result, random, until_s, folder, list(FAULTS), _disturbed_end)


def take_over(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Kill worker processes in mid-run: every event is there exactly once in the end."""
    faults = ["worker killed"] * 2 * CONCURRENT_PROGRAMS
    run_programs(result, random, until_s, folder, faults, _killed_worker)


def run_programs(
    result: ScenarioResult,
    random: Random,
    until_s: float,
    folder: Path,
    faults: Sequence[str],
    make_part: MakePart,
) -> None:
    """Run programs, several at the same time, until the time is up, and check what they leave.

    Args:
        result: Where counts and violations go.
        random: Makes the choices.
        until_s: When to end (`time.monotonic`).
        folder: Where the runs are.
        faults: The faults; each is injected at least once.
        make_part: Takes a random generator, a fault and a run id; returns a part of a program.
    """

    def run(own: Random, share: Sequence[str]) -> ScenarioResult:
        partial = ScenarioResult()
        with ForkServer() as server:
            chosen = share
            while chosen is share or time.monotonic() < until_s:
                own_folder = Path(tempfile.mkdtemp(dir=folder))
                _run_program(server, partial, own, own_folder, chosen, make_part)
                chosen = own.choices(faults, k=PARTS)
        return partial

    shuffled = random.sample(faults, len(faults))
    shares = [shuffled[index::CONCURRENT_PROGRAMS] for index in range(CONCURRENT_PROGRAMS)]
    generators = [Random(random.random()) for _ in shares]
    with ThreadPoolExecutor(CONCURRENT_PROGRAMS) as threads:
        for partial in threads.map(run, generators, shares):
            result.merge(partial)


def _run_program(
    server: ForkServer,
    result: ScenarioResult,
    random: Random,
    folder: Path,
    faults: Sequence[str],
    make_part: MakePart,
) -> None:
    """Run one program, whose parts have the given faults, and check what it left."""
    violations = len(result.violations)
    parts = [make_part(random, fault, random.choice("rrs")) for fault in faults]
    parts.append(_undisturbed(random, "r"))
    ended_path, errors = folder / "ended", folder / "errors"
    code = server.run(
        PROGRAM,
        folder=folder,
        ended_path=ended_path,
        parts=msgspec.to_builtins(parts),
        errors=errors,
    )
    text = errors.read_text()
    if code == -signal.SIGABRT and ABORTED in text:
        result.skipped.append(f"the rest of a program that the C library aborted: {ABORTED}")
    else:
        result.expect(0, code, f"{folder}: exit code ({text[-300:]})")
    ended = read_ended(ended_path)
    check_parts(result, folder, ended)
    _check_lines(result, folder, text, [part.report["dropped"] for part in ended])
    result.faults += sum(part.fault != "no fault" for part in parts)
    if len(result.violations) == violations:
        result.kills += sum(part.fault == "worker killed" for part in parts)
        shutil.rmtree(folder)


def _check_lines(result: ScenarioResult, folder: Path, errors: str, dropped: Sequence[int]) -> None:
    """Check that standard error has one line for each part that dropped events."""
    lines = errors.count("events dropped")
    result.require(
        lines >= sum(map(bool, dropped)), f"{folder}: {lines} lines, but dropped: {dropped}"
    )
    result.require("Traceback" not in errors, f"{folder}: {errors[-400:]}")


def _disturbed_end(random: Random, fault: str, run: str) -> Part:
    needs_process = fault.startswith("worker")
    return Part(
        run=run,
        worker="process" if needs_process else random.choice(("thread", "process")),
        sinks=random.choice(([], ["csv"], ["csv", "parquet"])),
        events=random.choice(EVENTS),
        fault=fault,
        moment=random.choice(("shutdown", "shutdown", "logging")),
        delay_s=random.uniform(0, random.choice(MAX_DELAYS_S)),
        duration_s=random.choice((0.02, 0.2, 0.6)),
        pause_s=random.choice((0.0, 0.0, SLOW_S)),
        timeout_s=random.choice((None, 1.0, 0.2, 0.01, 0.0)),
        is_awaited=random.random() < 0.7,
    )


def _killed_worker(random: Random, _fault: str, run: str) -> Part:
    return Part(
        run=run,
        worker="process",
        sinks=random.choice(([], ["csv"], ["csv", "parquet"])),
        events=random.choice((400, 3_000, 6_000)),
        fault="worker killed",
        moment="logging",
        delay_s=random.uniform(0, 0.25),
        duration_s=0.0,
        pause_s=random.choice((0.0, 0.0, 0.01)),
        timeout_s=20.0,
    )


def _undisturbed(random: Random, run: str) -> Part:
    return Part(
        run=run,
        worker=random.choice(("thread", "process")),
        sinks=["csv", "parquet"],
        events=100,
        fault="no fault",
        moment="shutdown",
        delay_s=0.0,
        duration_s=0.0,
    )
