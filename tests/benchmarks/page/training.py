"""Measures how much an open page slows down a training on the same machine.

    python -m tests.benchmarks.page.training PAIRS RESULT

The training of the demo logs all the time, while a browser has its page open during half of the
blocks of steps, in a random order. Browser and server share the cores with the training.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import logflume
from logflume.demo.options import parse_options, prepare_process
from logflume.training import attach
from tests.benchmarks.capture_cost import summarize
from tests.benchmarks.demo_trainer import make_trainer
from tests.benchmarks.page.server import serve

_BLOCK_STEPS = 40
"""Six seconds, in which the page requests what is new a few times."""

_LOADING_STEPS = 12
"""Steps at the beginning of a block that aren't counted: the page is loading or being closed."""


def main() -> None:
    """Train, and write the ratio of the step times with and without the page."""
    pairs, result = int(sys.argv[1]), Path(sys.argv[2])
    rng = random.Random(0)
    plan = [flag for _ in range(pairs) for flag in rng.sample([True, False], 2)]
    with tempfile.TemporaryDirectory() as folder:
        logflume.initialize(dir=folder, run="watched")
        with serve(Path(folder)) as server:
            command = [sys.executable, "-m", "tests.benchmarks.page.viewer"]
            with subprocess.Popen(
                [*command, f"{server.address}#/run/watched"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as viewer:
                times_s = _train(plan, viewer)
                assert viewer.stdin is not None
                viewer.stdin.close()
        logflume.shutdown()
    result.write_text(json.dumps(summarize(plan, [statistics.fmean(one) for one in times_s])))


def _train(plan: list[bool], viewer: subprocess.Popen[str]) -> list[list[float]]:
    """Return the step times of each block."""
    prepare_process(parse_options([], description=""))
    from transformers import TrainerCallback

    times_s: list[list[float]] = [[] for _ in plan]

    class Watch(TrainerCallback):
        """Opens and closes the page as planned, and times the steps."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            block, position = divmod(state.global_step, _BLOCK_STEPS)
            # The first block opens the page in any case, so that the browser is warm.
            if position == 0 and block < len(plan):
                if block == 0:
                    _command(viewer, "open")
                _command(viewer, "open" if plan[block] else "close")
            self.started_s = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            block = (state.global_step - 1) // _BLOCK_STEPS
            if (state.global_step - 1) % _BLOCK_STEPS >= _LOADING_STEPS:
                times_s[block].append(time.perf_counter() - self.started_s)

    trainer = make_trainer(len(plan) * _BLOCK_STEPS)
    attach(trainer)
    trainer.add_callback(Watch())
    assert viewer.stdout is not None
    viewer.stdout.readline()
    trainer.train()
    return times_s


def _command(viewer: subprocess.Popen[str], line: str) -> None:
    assert viewer.stdin is not None
    assert viewer.stdout is not None
    print(line, file=viewer.stdin, flush=True)
    viewer.stdout.readline()


if __name__ == "__main__":
    main()
