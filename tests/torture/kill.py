"""`kill -9` at any instant of a busy run: the start, a rotation, a compaction, the end."""

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
from tests.torture.checks import Found, check_kept, check_whole, count_lost, read_all
from tests.torture.tally import Tally
from tests.torture.tear import tear
from tests.torture.told import Life, read_told
from tests.torture.warm import Warm

__all__ = ["kill"]

SIDE_BY_SIDE = 3
LIVE = "tests.torture.busy:live"
MOST_KILLS = 5
LONGEST_LIFE_S = {"thread": 0.7, "process": 1.2}
"""By where the pipeline is; a process takes its time to start."""

EVENTS = (50, 300, 4_000)
"""What a process is to log: often more than it gets to, and some are killed while they end."""


def kill(tally: Tally, random: Random, until_s: float, folder: Path) -> None:
    """Kill attempts of a run, open it again, and check all of it; several runs side by side."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        chances = [Random(random.random()) for _ in range(SIDE_BY_SIDE)]
        for seen in threads.map(lambda chance: _kill_on(chance, until_s, folder), chances):
            tally.add(seen)


def _kill_on(random: Random, until_s: float, folder: Path) -> Tally:
    tally = Tally()
    with Warm() as warm:
        while time.monotonic() < until_s:
            _torture_a_run(warm, tally, random, Path(tempfile.mkdtemp(dir=folder)))
    return tally


def _torture_a_run(warm: Warm, tally: Tally, random: Random, folder: Path) -> None:
    broken = len(tally.broken)
    told, run = folder / "told", folder / "r"
    before: Found = {}
    kills = 0
    for _ in range(random.randint(1, MOST_KILLS)):
        killed_at_s, code = _kill_once(warm, random, folder)
        kills += code == -signal.SIGKILL
        if not run.exists():
            continue
        found = read_all(run, tally, "after a kill")
        check_kept(before, found, tally, run)
        count_lost(read_told(told), killed_at_s, found, tally, run)
        before = found
        # Once only: nobody can tell what two torn rows, one behind the other, were.
        if read_told(told).attempt >= 0 and random.random() < 0.5:
            tear(run, random)
            tally.faults += 1
    life = _open_again(warm, random, tally, folder)
    found = read_all(run, tally, "after the next open")
    check_kept(before, found, tally, run)
    check_whole(life, found, run, tally)
    tally.longest_call_ms = max(tally.longest_call_ms, life.longest_call_s * 1e3)
    if len(tally.broken) == broken:
        tally.kills += kills
        shutil.rmtree(folder)


def _kill_once(warm: Warm, random: Random, folder: Path) -> tuple[float, int | None]:
    """Start an attempt and kill it at a random instant; return when that was, and its exit code."""
    told = folder / "told"
    told.unlink(missing_ok=True)
    worker = random.choice(tuple(LONGEST_LIFE_S))
    events = random.choice(EVENTS)
    warm.start(LIVE, folder=folder, told=told, seed=random.random(), events=events, worker=worker)
    if not warm.wait(random.uniform(0, LONGEST_LIFE_S[worker])):
        warm.kill(signal.SIGKILL)
    killed_at_s = time.monotonic()
    code = warm.end()
    # A process of its own writes what it was sent, and lets go of the run after that.
    assert wait_until(lambda: not is_locked(folder / "r" / "run.lock"))
    return killed_at_s, code


def _open_again(warm: Warm, random: Random, tally: Tally, folder: Path) -> Life:
    told, errors = folder / "told", folder / "errors"
    code = warm.run(LIVE, folder=folder, told=told, seed=random.random(), events=100, errors=errors)
    tally.expect((0, ""), (code, errors.read_text()), f"{folder}: the next attempt")
    return read_told(told)
