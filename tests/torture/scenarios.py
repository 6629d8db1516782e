"""The scenarios by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from tests.torture.faults import faults
from tests.torture.kill import kill
from tests.torture.overload import overload
from tests.torture.stops import stops
from tests.torture.tally import Tally

__all__ = ["SCENARIOS", "torture"]

Scenario = Callable[[Tally, Random, float, Path], None]
"""Called with the tally to keep, a source of chance, when to end (`time.monotonic`), a folder."""

SCENARIOS: Mapping[str, Scenario] = {
    "kill": kill,
    "overload": overload,
    "faults": faults,
    "stops": stops,
}


def torture(name: str, seed: str, seconds: float, folder: Path) -> Tally:
    """Run one scenario for about so many seconds, in a folder of its own."""
    own_folder = folder / name
    own_folder.mkdir()
    tally = Tally()
    SCENARIOS[name](tally, Random(f"{seed} {name}"), time.monotonic() + seconds, own_folder)
    return tally
