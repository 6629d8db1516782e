"""The scenario `scarcity`: a process lacks descriptors, memory or threads for a moment."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from tests.torture.ending_run import LACKS, Part
from tests.torture.ends import run_programs
from tests.torture.scenario_result import ScenarioResult

__all__ = ["lack_resources"]

ROTATE_BYTES = 20_000
"""Small: there is a rotation, and with it a new file and thread, at almost every moment."""

MOMENTS = ("start", "logging", "shutdown")


def lack_resources(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Take away one resource at a time, from either process, and give it back."""
    lacks = list(LACKS)
    if os.geteuid() == 0:
        lacks.remove("no processes")
        result.skipped.append("no processes: root has no limit on them")
    run_programs(result, random, until_s, folder, lacks, _scarce_part)


def _scarce_part(random: Random, lack: str, run: str) -> Part:
    needs_process = "worker" in lack
    is_whole = needs_process or random.random() < 0.5
    return Part(
        run=run,
        worker="process" if is_whole else "thread",
        sinks=["csv", "parquet"],
        events=random.choice((400, 3_000)),
        fault=lack,
        moment=random.choice(("logging", "shutdown") if needs_process else MOMENTS),
        delay_s=random.choice((0.0, random.uniform(0, 0.1))),
        duration_s=random.choice((0.05, 0.3, 1.0)),
        rotate_bytes=ROTATE_BYTES,
        timeout_s=20.0,
    )
