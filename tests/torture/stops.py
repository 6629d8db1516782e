"""The scenario `stops`: every exit but `kill -9` loses nothing, and ends as without logflume."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from random import Random

from logflume import open_run
from logflume.guard import call_guarded
from tests.torture.checks import check_complete, read_sink_files
from tests.torture.exit_modes import EXIT_MODES, ExitMode
from tests.torture.forked_processes import ForkServer
from tests.torture.progress_file import Progress, read_progress
from tests.torture.scenario_result import ScenarioResult

__all__ = ["stops"]

PROGRAM = "tests.torture.exit_modes:log_and_exit"
MAX_EVENTS = 1_500
LAST_EVENTS = ["run_finished", "pipeline"]
SHUTDOWN_S = 10.0
"""The default of `shutdown_timeout_s`."""


def stops(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """End a program in each way at least once, and repeat them until the time is up."""
    first_round = True
    with ForkServer() as server:
        while first_round or time.monotonic() < until_s:
            for name in EXIT_MODES:
                if first_round or time.monotonic() < until_s:
                    _stop(server, result, random, name, Path(tempfile.mkdtemp(dir=folder)))
            first_round = False


def _stop(
    server: ForkServer, result: ScenarioResult, random: Random, name: str, folder: Path
) -> None:
    progress_path = folder / "progress"
    events = random.randint(0, MAX_EVENTS)
    server.start(PROGRAM, folder=folder, progress_path=progress_path, mode=name, events=events)
    code = server.join()
    mode, progress = EXIT_MODES[name], read_progress(progress_path)
    result.faults += 1
    result.expect(mode.code, code, f"{name}: exit code")
    result.expect(mode.marker, progress.marker, f"{name}: marker set by the program's own handler")
    result.longest_call_ms = max(result.longest_call_ms, progress.longest_call_s * 1e3)
    rows_by_sink = read_sink_files(folder / "r", result, f"after {name}")
    progress = _add_interrupted_call(progress, len(rows_by_sink.get("journal", ())))
    check_complete(progress, rows_by_sink, folder / "r", result)
    _check_last_events(result, name, mode, folder / "r")


def _add_interrupted_call(progress: Progress, logged: int) -> Progress:
    """Add the call that a signal interrupted: its event is written, but not noted."""
    extra = logged == len(progress.times_s) + 1
    return progress._replace(times_s=(*progress.times_s, 0.0)) if extra else progress


def _check_last_events(result: ScenarioResult, name: str, mode: ExitMode, folder: Path) -> None:
    """Check that the run ends with `run_finished` and a report without dropped events."""
    events = call_guarded(lambda: list(open_run(folder, attempts="all")))
    if not isinstance(events, list) or [e["event"] for e in events[-2:]] != LAST_EVENTS:
        result.require(False, f"{name}: the run has no end")
        return
    finished, report = events[-2:]
    result.expect(mode.status, finished.get("status"), f"{name}: status of the run")
    result.require(finished["duration_s"] < SHUTDOWN_S, f"{name}: it took longer than allowed")
    dropped = [field for field, value in report.items() if "dropped" in field and value]
    result.expect([], dropped, f"{name}: dropped")
