"""Every kind of POSIX I/O call fails now and then (libfiu): no hang, no error, honest counts."""

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

from tests.torture.checks import check_whole, read_all
from tests.torture.tally import Tally
from tests.torture.told import read_told
from tests.torture.unlucky import EVENTS
from tests.torture.warm import ROOT, Warm

__all__ = ["fail_calls"]

PROBABILITIES = (0.01, 0.05)
TRIES = 3
LONGEST_S = 45.0
"""More than `shutdown_timeout_s` and the training, which takes a second."""

LIVE = "tests.torture.busy:live"


def fail_calls(tally: Tally, random: Random, until_s: float, folder: Path) -> None:
    """Train with bad luck, with each probability at least once, and again while there is time."""
    if shutil.which("fiu-run") is None:
        tally.notes.append("failing system calls: there is no fiu-run (Debian: fiu-utils)")
        return
    first_round = True
    with Warm() as warm:
        while first_round or time.monotonic() < until_s:
            for probability in PROBABILITIES:
                run_folder = Path(tempfile.mkdtemp(dir=folder))
                _train(tally, probability, run_folder)
                _check_the_next_open(warm, tally, random, run_folder)
            first_round = False


def _train(tally: Tally, probability: float, folder: Path) -> None:
    told = folder / "told"
    code, errors = _run_unlucky(folder, told, probability)
    where = f"{folder}, {probability:.0%} of calls fail"
    life = read_told(told)
    tally.expect(0, code, f"{where}: exit code ({errors[-300:]})")
    tally.expect(EVENTS, len(life.times_s), f"{where}: calls that returned")
    tally.longest_call_ms = max(tally.longest_call_ms, life.longest_call_s * 1e3)
    # Not even the removal of what was put together may have worked: the next open does it.
    read_all(folder / "r", tally, f"with {probability:.0%} of calls failing", may_have_copies=True)
    counts = folder / "report.json"
    if tally.claim(counts.exists(), f"{where}: there is no report"):
        _check_counts(tally, json.loads(counts.read_text()), where)


def _run_unlucky(folder: Path, told: Path, probability: float) -> tuple[int | None, str]:
    """Return exit code, None if it hung, and what is on standard error.

    It is a process of its own: `fiu-run` gives it a thread, so it could not be forked from safely.
    libfiu may hang while libraries are loaded by one thread and another one starts: Arrow is
    told to start none then, and a process that did not come as far as its training is run again.
    """
    arguments = [str(folder), str(told), str(probability)]
    command = ["fiu-run", "-x", sys.executable, "-m", "tests.torture.unlucky", *arguments]
    environ = {**os.environ, "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    for _ in range(TRIES):
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environ,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            if read_told(told).attempt >= 0:
                return None, "it hung"
        else:
            return done.returncode, done.stderr
    return None, "it did not start"


def _check_counts(tally: Tally, report: dict[str, Any], where: str) -> None:
    # What the pipeline says of its faults goes the same way.
    tally.claim(report["accepted"] >= EVENTS, f"{where}: accepted {report['accepted']} of {EVENTS}")
    tally.expect(0, report["dropped"], f"{where}: dropped by the buffer")
    for name, counts in report["sinks"].items():
        whole = counts["written"] + counts["dropped"]
        tally.expect(counts["accepted"], whole, f"{where}: {name} accepted = written + dropped")
        tally.faults += counts["failed"]


def _check_the_next_open(warm: Warm, tally: Tally, random: Random, folder: Path) -> None:
    """Open the run again, without bad luck."""
    told = folder / "told"
    code = warm.run(LIVE, folder=folder, told=told, seed=random.random(), events=100)
    tally.expect(0, code, f"{folder}: the next attempt")
    found = read_all(folder / "r", tally, "after the next open")
    check_whole(read_told(told), found, folder / "r", tally)
