"""A training whose system calls fail at random: what runs under `fiu-run -x`."""

from __future__ import annotations

import ctypes
import json
import sys
import time
from pathlib import Path
from unittest import mock

import logflume
from tests.torture.busy import CONFIG, TYPES, text_of
from tests.torture.told import Teller

__all__ = ["EVENTS", "train"]

EVENTS = 3_000
PAUSES = 30


def train(folder: str, told: str, probability: float) -> None:
    """Log while calls of `posix/io` fail; then write down what the pipeline has counted.

    The faults begin when the run is open, for an `initialize()` that can't open its files says so,
    and they go on to the last of `shutdown()`.
    """
    teller = Teller(Path(told))
    config = {**CONFIG, "shutdown_timeout_s": 30}
    # No fork: a child that is forked while a thread is inside libfiu waits for its lock for ever.
    with mock.patch("logflume.runtime.describe.GitCommit.ask"):
        run = logflume.initialize(config, dir=folder, run="r")
        teller.begin(run.attempt)
        logflume.flush()
    fiu = ctypes.CDLL("libfiu.so.0")
    fiu.fiu_enable_random(b"posix/io/*", 1, None, 0, ctypes.c_float(probability))
    log = logflume.get_logger()
    for number in range(EVENTS):
        called_s = time.monotonic()
        log.info(TYPES[number % 2], step=number, number=number, text=text_of(number))
        teller.tell(called_s)
        if number % (EVENTS // PAUSES) == 0:
            logflume.flush(0.1)
    logflume.shutdown()
    fiu.fiu_disable(b"posix/io/*")
    report = logflume.report()
    assert report is not None
    Path(folder, "report.json").write_text(json.dumps(report.as_fields()))


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], float(sys.argv[3]))
