"""A program that generates one very large run and many small ones, for `read_cost`.

    python -m tests.benchmarks.big_runs --dir /data/big --events 10000000 --runs 1000

It writes `one/big`, a run of 10 million events, and `many/run-0000` and so on, with 10,000 events
each. The journal and Parquet sinks write the events directly, without a pipeline; existing runs are
kept. On two cores it takes about 15 minutes. The small runs differ: every third one has an extra
metric, every fourth one has one reward function less.
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
_BATCH = 1_024  # the size of the worker's batches
_START_AND_END = 2  # run_started and run_finished


class Sizes(NamedTuple):
    """The size of the generated data.

    Attributes:
        folder: The folder of all runs.
        events: The number of events in the large run.
        runs: The number of small runs, of 10,000 events each.
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
    """Generate the runs that don't exist yet."""
    big = RunInfo(run=ONE.partition("/")[2], dir=sizes.folder / ONE.partition("/")[0])
    jobs = [_Job(big, sizes.events, Recipe(), 256_000_000)]
    for number in range(sizes.runs):
        run = RunInfo(run=f"run-{number:04d}", dir=sizes.folder / MANY)
        # Rotated early, so that most of each small journal is compressed.
        jobs.append(_Job(run, EVENTS_OF_ONE, _recipe(number), 4_000_000))
    missing = [job for job in jobs if not RunState.path(job.run).exists()]
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, _ in enumerate(pool.imap_unordered(_write, missing), 1):
            print(f"\r{done} of {len(missing)} runs", end="", file=sys.stderr, flush=True)


def _recipe(number: int) -> Recipe:
    functions = ("correctness", "format") if number % 4 == 3 else Recipe().functions
    return Recipe(functions, extra_metric=f"metric_{number % 5}" if number % 3 == 2 else None)


def _write(job: _Job) -> None:
    shutil.rmtree(job.run.folder, ignore_errors=True)  # left over from an interrupted call
    run = GrpoRun(job.run, job.recipe)
    with (
        closing(JsonlSink(job.run.folder / "events.jsonl", rotate_bytes=job.rotate_bytes)) as jsonl,
        closing(ParquetSink(job.run.folder / "parquet", run=job.run)) as parquet,
    ):
        events = _events(run, (job.events - _START_AND_END) // EVENTS_PER_STEP)
        while batch := list(islice(events, _BATCH)):
            jsonl.write(batch)
            parquet.write(batch)
    state = RunState(
        run=job.run.run, attempt=0, started="2026-01-01T00:00:00.000000Z", status="finished"
    )
    state.kinds = run.normalizer.kinds
    state.note_whole(["jsonl", "parquet"])
    state.note_complete(["events.jsonl", "parquet"])
    state.save(job.run)


def _events(run: GrpoRun, steps: int) -> Iterator[dict[str, Any]]:
    started = {
        "schema_version": SCHEMA_VERSION,
        "command": "python train.py",
        "host": socket.gethostname(),
        "versions": {"python": platform.python_version()},
        "hyperparameters": {"learning_rate": 1e-6, "num_generations": 8, "max_steps": steps},
    }
    finished = {"status": "finished", "duration_s": 9.0 * steps, "step": steps}
    yield run.finish("system", "run_started", 0, started)
    yield from run.steps(steps)
    yield run.finish("system", "run_finished", steps, finished)


def parse_sizes(parser: argparse.ArgumentParser) -> Sizes:
    """Add the options for folder and size, and parse the command line."""
    parser.add_argument("--dir", type=Path, default=Path("logs-big"), help="folder of the runs")
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the large run")
    parser.add_argument(
        "--runs", type=int, default=1_000, help="number of small runs, of 10,000 events each"
    )
    options = parser.parse_args()
    return Sizes(options.dir, options.events, options.runs)


if __name__ == "__main__":
    make(parse_sizes(argparse.ArgumentParser(description=__doc__.partition("\n")[0])))
