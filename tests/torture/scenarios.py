"""The torture scenarios by name, and how to run one."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from random import Random

from logflume.guard import Failure, call_guarded
from tests.torture.ends import end_runs, take_over
from tests.torture.foreign_runs import attack_commands
from tests.torture.kill import kill
from tests.torture.libfiu import fail_calls
from tests.torture.many_starts import starts
from tests.torture.overload import overload
from tests.torture.restarts import restarts
from tests.torture.scarcity import lack_resources
from tests.torture.scenario_result import ScenarioResult
from tests.torture.sink_faults import inject_faults
from tests.torture.stops import stops

__all__ = ["SCENARIOS", "time_share", "torture"]

Scenario = Callable[[ScenarioResult, Random, float, Path], None]
"""Takes the result to fill in, a random generator, when to end (`time.monotonic`), a folder."""

SCENARIOS: Mapping[str, Scenario] = {
    "kill": kill,
    "stops": stops,
    "faults": inject_faults,
    "libfiu": fail_calls,
    "overload": overload,
    "ends": end_runs,
    "takeover": take_over,
    "restarts": restarts,
    "scarcity": lack_resources,
    "starts": starts,
    "foreign": attack_commands,
}


WEIGHTS: Mapping[str, float] = {
    "kill": 4.0,
    "overload": 1.5,
    "ends": 2.0,
    "scarcity": 2.0,
    "starts": 0.3,
    "foreign": 2.0,
}
"""The weight of a scenario when the time is divided; the default is 1."""


def torture(name: str, seed: str, seconds: float, folder: Path) -> ScenarioResult:
    """Run one scenario.

    Args:
        name: The scenario.
        seed: The same seed repeats the same choices.
        seconds: About how long it runs.
        folder: The scenario gets a subfolder of it.
    """
    own_folder = folder / name
    own_folder.mkdir()
    result = ScenarioResult()
    until_s = time.monotonic() + seconds
    outcome = call_guarded(SCENARIOS[name], result, Random(f"{seed} {name}"), until_s, own_folder)
    if isinstance(outcome, Failure):
        trace = "".join(traceback.format_exception(outcome.error)[-2:])
        result.require(False, f"{name} raised: {trace}")
    return result


def time_share(name: str, seconds: float, names: Collection[str]) -> float:
    """Return the seconds for one scenario, when `names` share `seconds` by weight."""
    return seconds * WEIGHTS.get(name, 1.0) / sum(WEIGHTS.get(other, 1.0) for other in names)
