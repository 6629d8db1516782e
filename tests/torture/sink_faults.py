"""The scenario `faults`: a sink's disk, folder, reader or code fails, and all else goes on."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.torture.broken_disks import (
    deleted_folder,
    file_size_limit,
    full_disk,
    read_only_folder,
)
from tests.torture.broken_sinks import failing_sink, flaky_sink, hanging_sink
from tests.torture.scenario_result import ScenarioResult

__all__ = ["inject_faults"]

FAULTS: Sequence[Callable[[ScenarioResult, Random, Path], None]] = (
    full_disk,
    file_size_limit,
    read_only_folder,
    deleted_folder,
    hanging_sink,
    failing_sink,
    flaky_sink,
)


def inject_faults(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Inject each fault at least once, and repeat them until the time is up."""
    first_round = True
    while first_round or time.monotonic() < until_s:
        for fault in FAULTS:
            if first_round or time.monotonic() < until_s:
                fault(result, random, Path(tempfile.mkdtemp(dir=folder)))
        first_round = False
