"""The scenarios by name."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from random import Random

from logflume.guard import Failure, call_guarded
from tests.torture.faults import faults
from tests.torture.kill import kill
from tests.torture.libfiu import fail_calls
from tests.torture.overload import overload
from tests.torture.stops import stops
from tests.torture.tally import Tally

__all__ = ["SCENARIOS", "share", "torture"]

Scenario = Callable[[Tally, Random, float, Path], None]
"""Called with the tally to keep, a source of chance, when to end (`time.monotonic`), a folder."""

SCENARIOS: Mapping[str, Scenario] = {
    "kill": kill,
    "stops": stops,
    "faults": faults,
    "libfiu": fail_calls,
    "overload": overload,
}


SHARES: Mapping[str, float] = {"kill": 4.0, "overload": 1.5}
"""How much of the time each gets; 1 where nothing is said."""


def torture(name: str, seed: str, seconds: float, folder: Path) -> Tally:
    """Run one scenario for about so many seconds, in a folder of its own."""
    own_folder = folder / name
    own_folder.mkdir()
    tally = Tally()
    until_s = time.monotonic() + seconds
    result = call_guarded(SCENARIOS[name], tally, Random(f"{seed} {name}"), until_s, own_folder)
    if isinstance(result, Failure):
        trace = "".join(traceback.format_exception(result.error)[-2:])
        tally.claim(False, f"{name} raised: {trace}")
    return tally


def share(name: str, seconds: float, names: Collection[str]) -> float:
    """Return what one scenario gets of the time that is there for several."""
    return seconds * SHARES.get(name, 1.0) / sum(SHARES.get(other, 1.0) for other in names)
