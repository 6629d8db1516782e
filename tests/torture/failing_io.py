"""A training program whose system calls fail at random; `fiu-run -x` runs it."""

from __future__ import annotations

import ctypes
import json
import sys
import time
from pathlib import Path
from unittest import mock

import logflume
from tests.torture.busy_run import CONFIG, TYPES, text_for
from tests.torture.progress_file import ProgressWriter

__all__ = ["EVENTS", "train"]

EVENTS = 3_000
FLUSHES = 30


def train(folder: str, progress_path: str, probability: float) -> None:
    """Log while calls in `posix/io` fail, then write the pipeline's report to `report.json`.

    Calls start to fail when the run is open, because `initialize()` raises an error if it can't
    open its files. They fail until `shutdown()` returns.

    Args:
        folder: Where the run is.
        progress_path: The file in which to note the progress.
        probability: The probability that a call fails.
    """
    progress_writer = ProgressWriter(Path(progress_path))
    config = {**CONFIG, "shutdown_timeout_s": 30}
    # Git is not started: a child forked while a thread holds libfiu's lock would wait for ever.
    with mock.patch("logflume.runtime.code_state.GitCommit.start"):
        run = logflume.initialize(config, dir=folder, run="r")
        progress_writer.start(run.attempt)
        logflume.flush()
    fiu = ctypes.CDLL("libfiu.so.0")
    fiu.fiu_enable_random(b"posix/io/*", 1, None, 0, ctypes.c_float(probability))
    log = logflume.get_logger()
    for number in range(EVENTS):
        called_s = time.monotonic()
        log.info(TYPES[number % 2], step=number, number=number, text=text_for(number))
        progress_writer.add_event(called_s)
        if number % (EVENTS // FLUSHES) == 0:
            logflume.flush(0.1)
    logflume.shutdown()
    fiu.fiu_disable(b"posix/io/*")
    report = logflume.report()
    assert report is not None
    Path(folder, "report.json").write_text(json.dumps(report.as_fields()))


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], float(sys.argv[3]))
