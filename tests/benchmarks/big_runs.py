"""Runs as large, and as many, as reading has to cope with.

    python -m tests.benchmarks.big_runs --dir /data/big --events 10000000 --runs 1000

makes `one/big`, a run of 10 million events, and `many/run-0000` and so on, of 10,000 each. They are
written by the sinks themselves, the journal and Parquet, without the pipeline before them; what is
there already stays. On two cores it takes about 15 minutes. The many differ as runs do: each third
has a metric of its own, each fourth lacks one of the reward functions.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from logflume.events.catalogue import SCHEMA_VERSION
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.sinks.jsonl import JsonlSink
from logflume.sinks.parquet.sink import ParquetSink
from tests.benchmarks.grpo_events import EVENTS_PER_STEP, GrpoRun, Recipe

__all__ = ["EVENTS_OF_ONE", "MANY", "ONE", "Sizes", "make", "parse_sizes"]

ONE, MANY = "one/big", "many"
EVENTS_OF_ONE = 10_000
_BATCH = 1_024  # as the worker takes them
_ENDS = 2  # run_started and run_finished


class Sizes(NamedTuple):
    """How much there is.

    Attributes:
        folder: Where the runs are.
        events: Events of the one run.
        runs: How many runs there are of 10,000 events each.
    """

    folder: Path
    events: int
    runs: int


class _Job(NamedTuple):
    run: RunInfo
    events: int
    recipe: Recipe
    rotate_bytes: int


def make(sizes: Sizes) -> None:
    """Make the runs that are not there yet."""
    big = RunInfo(run=ONE.partition("/")[2], dir=sizes.folder / ONE.partition("/")[0])
    jobs = [_Job(big, sizes.events, Recipe(), 256_000_000)]
    for number in range(sizes.runs):
        run = RunInfo(run=f"run-{number:04d}", dir=sizes.folder / MANY)
        # Rotated early, so that most of a thousand journals is compressed.
        jobs.append(_Job(run, EVENTS_OF_ONE, _recipe(number), 4_000_000))
    missing = [job for job in jobs if not RunState.path(job.run).exists()]
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, _ in enumerate(pool.imap_unordered(_write, missing), 1):
            print(f"\r{done} of {len(missing)} runs", end="", file=sys.stderr, flush=True)


def _recipe(number: int) -> Recipe:
    functions = ("correctness", "format") if number % 4 == 3 else Recipe().functions
    return Recipe(functions, extra_metric=f"metric_{number % 5}" if number % 3 == 2 else None)


def _write(job: _Job) -> None:
    shutil.rmtree(job.run.folder, ignore_errors=True)  # what an interrupted call has left
    made = GrpoRun(job.run, job.recipe)
    with (
        closing(JsonlSink(job.run.folder / "events.jsonl", rotate_bytes=job.rotate_bytes)) as jsonl,
        closing(ParquetSink(job.run.folder / "parquet", run=job.run)) as parquet,
    ):
        events = _events(made, (job.events - _ENDS) // EVENTS_PER_STEP)
        while batch := list(islice(events, _BATCH)):
            jsonl.write(batch)
            parquet.write(batch)
    state = RunState(
        run=job.run.run, attempt=0, started="2026-01-01T00:00:00.000000Z", status="finished"
    )
    state.kinds = made.normalizer.kinds
    state.note_whole(["jsonl", "parquet"])
    state.note_complete(["events.jsonl", "parquet"])
    state.save(job.run)


def _events(made: GrpoRun, steps: int) -> Iterator[dict[str, Any]]:
    opening = {
        "schema_version": SCHEMA_VERSION,
        "command": "python train.py",
        "host": socket.gethostname(),
        "versions": {"python": platform.python_version()},
        "hyperparameters": {"learning_rate": 1e-6, "num_generations": 8, "max_steps": steps},
    }
    ending = {"status": "finished", "duration_s": 9.0 * steps, "step": steps}
    yield made.finish("system", "run_started", 0, opening)
    yield from made.steps(steps)
    yield made.finish("system", "run_finished", steps, ending)


def parse_sizes(parser: argparse.ArgumentParser) -> Sizes:
    """Add the options that say where and how much, and read the command line."""
    parser.add_argument("--dir", type=Path, default=Path("logs-big"), help="where the runs are")
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the one run")
    parser.add_argument("--runs", type=int, default=1_000, help="runs of 10,000 events each")
    options = parser.parse_args()
    return Sizes(options.dir, options.events, options.runs)


if __name__ == "__main__":
    make(parse_sizes(argparse.ArgumentParser(description=__doc__.partition("\n")[0])))
