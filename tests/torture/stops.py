"""A process that ends in any way but `kill -9` loses nothing, and ends as it would without us."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from random import Random

from logflume import open_run
from logflume.guard import call_guarded
from tests.torture.checks import check_whole, read_all
from tests.torture.endings import ENDINGS, Ending
from tests.torture.tally import Tally
from tests.torture.told import Life, read_told
from tests.torture.warm import Warm

__all__ = ["stops"]

END = "tests.torture.endings:end"
MOST_EVENTS = 1_500
LAST = ["run_finished", "pipeline"]
SHUTDOWN_S = 10.0
"""What `shutdown_timeout_s` is by default."""


def stops(tally: Tally, random: Random, until_s: float, folder: Path) -> None:
    """End a program in each way at least once, and again while there is time."""
    first_round = True
    with Warm() as warm:
        while first_round or time.monotonic() < until_s:
            for name in ENDINGS:
                if first_round or time.monotonic() < until_s:
                    _stop(warm, tally, random, name, Path(tempfile.mkdtemp(dir=folder)))
            first_round = False


def _stop(warm: Warm, tally: Tally, random: Random, name: str, folder: Path) -> None:
    told = folder / "told"
    warm.start(END, folder=folder, told=told, ending=name, events=random.randint(0, MOST_EVENTS))
    code = warm.end()
    ending, life = ENDINGS[name], read_told(told)
    tally.faults += 1
    tally.expect(ending.code, code, f"{name}: exit code")
    tally.expect(ending.mark, life.mark, f"{name}: whether the program's own handler was called")
    tally.longest_call_ms = max(tally.longest_call_ms, life.longest_call_s * 1e3)
    found = read_all(folder / "r", tally, f"after {name}")
    check_whole(_with_the_last(life, len(found.get("journal", ()))), found, folder / "r", tally)
    _check_end(tally, name, ending, folder / "r")


def _with_the_last(life: Life, recorded: int) -> Life:
    """Return a life with the call that a signal came into: recorded, but not told any more."""
    extra = recorded == len(life.times_s) + 1
    return life._replace(times_s=(*life.times_s, 0.0)) if extra else life


def _check_end(tally: Tally, name: str, ending: Ending, folder: Path) -> None:
    """Check that the last two events are the end and the report, and that it drops nothing."""
    events = call_guarded(lambda: list(open_run(folder, attempts="all")))
    if not isinstance(events, list) or [e["event"] for e in events[-2:]] != LAST:
        tally.claim(False, f"{name}: the run has no end")
        return
    finished, report = events[-2:]
    tally.expect(ending.status, finished.get("status"), f"{name}: how the run finished")
    tally.claim(finished["duration_s"] < SHUTDOWN_S, f"{name}: it took longer than allowed")
    dropped = [field for field, value in report.items() if "dropped" in field and value]
    tally.expect([], dropped, f"{name}: dropped")
