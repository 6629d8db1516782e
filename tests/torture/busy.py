"""A busy run: all file sinks, everything rotated as often as can be, events of changing fields."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import logflume
from tests.torture.told import Teller

__all__ = ["CONFIG", "FLUSH_INTERVAL_S", "TYPES", "live", "log_numbers", "text_of"]

FLUSH_INTERVAL_S = 0.05
TYPES = ("probe", "sample")

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl", "text", "csv", "parquet", "tensorboard"]},
    # Small, for a promise about the last interval can't hold with seconds of backlog. It blocks
    # rather than drop: here nothing may be missing.
    "buffer": {"size": 512, "block_timeout_s": 60, "flush_interval_s": FLUSH_INTERVAL_S},
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 20_000},
        "text": {"type": "console", "path": "{dir}/{run}/training.log"},
        "csv": {"path": "{dir}/{run}/rows.csv", "columns": ["attempt", "seq", "number", "text"]},
        "parquet": {"path": "{dir}/{run}/parquet", "rotate_s": 0.05, "rotate_events": 100},
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}


def text_of(number: int) -> str:
    """Return the text that belongs to a number: quotes and newlines are what tears CSV."""
    return f'number {number}, said "{number}"\n' + "=" * (number % 50)


def live(folder: str, told: str, seed: int, events: int, worker: str = "thread") -> None:
    """Log in bursts until `events` are logged, or somebody ends this process."""
    teller = Teller(Path(told))
    run = logflume.initialize({**CONFIG, "worker": worker}, dir=folder, run="r")
    teller.begin(run.attempt)
    # What is logged before the run is described waits for that.
    logflume.flush()
    log_numbers(teller, Random(seed), events)


def log_numbers(teller: Teller, random: Random, events: int) -> None:
    """Log the numbers 0, 1, 2 … in bursts, and tell of each."""
    log = logflume.get_logger()
    pause = threading.Event()
    # In a quiet run nothing but the interval makes the worker look.
    longest_burst = random.choice((2, 200))
    burst = 0
    for number in range(events):
        if burst == 0:
            pause.wait(random.choice((0.0, 0.005, 0.02, 0.06)))
            burst = random.randint(1, longest_burst)
        burst -= 1
        # A field more every now and then makes Parquet write all its parts anew.
        fields: dict[str, Any] = {f"field_{number // 150 % 6}": number / 7}
        called_s = time.monotonic()
        log.info(TYPES[number % 2], step=number, number=number, text=text_of(number), **fields)
        teller.tell(called_s)
