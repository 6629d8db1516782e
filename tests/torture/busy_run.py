"""A busy run: all file sinks, frequent rotation, and events whose fields change."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import logflume
from tests.torture.progress_file import ProgressWriter

__all__ = ["CONFIG", "FLUSH_INTERVAL_S", "TYPES", "log_in_bursts", "log_numbers", "text_for"]

FLUSH_INTERVAL_S = 0.05
TYPES = ("probe", "sample")

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl", "text", "csv", "parquet", "tensorboard"]},
    # Small: the guarantee about the last interval can't hold with seconds of events queued.
    # The policy is to block rather than to drop, because no event may be missing here.
    "buffer": {"size": 512, "block_timeout_s": 60, "flush_interval_s": FLUSH_INTERVAL_S},
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 20_000},
        "text": {"type": "console", "path": "{dir}/{run}/training.log"},
        "csv": {"path": "{dir}/{run}/rows.csv", "columns": ["attempt", "seq", "number", "text"]},
        "parquet": {"path": "{dir}/{run}/parquet", "rotate_s": 0.05, "rotate_events": 100},
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}


def text_for(number: int) -> str:
    """Return the text logged with a number; its quotes and newlines are what breaks CSV rows."""
    return f'number {number}, said "{number}"\n' + "=" * (number % 50)


def log_in_bursts(
    folder: str, progress_path: str, seed: int, events: int, worker: str = "thread"
) -> None:
    """Log `events` events in bursts, unless this process is killed before.

    Args:
        folder: Where the run is.
        progress_path: The file in which to note the progress.
        seed: Determines the bursts.
        events: How many events to log.
        worker: The configuration's `worker`.
    """
    progress_writer = ProgressWriter(Path(progress_path))
    run = logflume.initialize({**CONFIG, "worker": worker}, dir=folder, run="r")
    progress_writer.start(run.attempt)
    # Events logged before `run_started` is written wait for it.
    logflume.flush()
    log_numbers(progress_writer, Random(seed), events)


def log_numbers(progress_writer: ProgressWriter, random: Random, events: int) -> None:
    """Log the numbers 0, 1, 2 … in bursts, and note the progress after each."""
    log = logflume.get_logger()
    pause = threading.Event()
    # With short bursts only the flush interval wakes the worker.
    longest_burst = random.choice((2, 200))
    burst = 0
    for number in range(events):
        if burst == 0:
            pause.wait(random.choice((0.0, 0.005, 0.02, 0.06)))
            burst = random.randint(1, longest_burst)
        burst -= 1
        # A new field from time to time makes the Parquet sink rewrite all of its parts.
        fields: dict[str, Any] = {f"field_{number // 150 % 6}": number / 7}
        called_s = time.monotonic()
        log.info(TYPES[number % 2], step=number, number=number, text=text_for(number), **fields)
        progress_writer.add_event(called_s)
