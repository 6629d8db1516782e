"""A benchmark of what full capture adds to a GRPO step, within one run of the demo's training.

    python -m tests.benchmarks.capture_cost [FOLDER RESULT]

RESULT is the path of a JSON file to write; FOLDER is not used.

The training consists of pairs of blocks of steps. In one block of a pair the trainer is attached,
in the other it isn't; which one comes first is random. All sinks of the default configuration are
on, including the console. A step is short (about 0.15 s on one core), so the relative cost is high.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import logflume
from logflume.demo.options import parse_options, prepare_process
from logflume.training import attach
from tests.benchmarks.demo_trainer import make_trainer

PAIRS = 60
BLOCK_STEPS = 6


def main() -> None:
    """Train, and print the ratio of the step times with and without capture."""
    prepare_process(parse_options([], description=""))
    from transformers import TrainerCallback

    rng = random.Random(0)
    plan = [flag for _ in range(PAIRS) for flag in rng.sample([True, False], 2)]
    times_s: list[list[float]] = [[] for _ in plan]

    class Toggle(TrainerCallback):
        """Attaches and detaches as planned, and times each step."""

        attachment: Any = None

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.started_s = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            block, position = divmod(state.global_step - 1, BLOCK_STEPS)
            times_s[block].append(time.perf_counter() - self.started_s)
            if position == BLOCK_STEPS - 1:
                self.switch(block + 1)

        def switch(self, block: int) -> None:
            is_planned = block < len(plan) and plan[block]
            if is_planned and self.attachment is None:
                self.attachment = attach(trainer)
            elif not is_planned and self.attachment is not None:
                self.attachment.detach()
                self.attachment = None

    toggle = Toggle()
    trainer = make_trainer(len(plan) * BLOCK_STEPS)
    trainer.add_callback(toggle)
    with tempfile.TemporaryDirectory() as folder:
        logflume.initialize(dir=folder)
        toggle.switch(0)
        trainer.train()
        logflume.shutdown()
    summary = summarize(plan, [statistics.fmean(block) for block in times_s])
    print(
        f"step without capture: {summary['step_s'] * 1e3:.1f} ms\n"
        f"with / without: {summary['ratio']:.4f} (95% bootstrap interval: "
        f"{summary['ratio_low']:.4f} to {summary['ratio_high']:.4f})"
    )
    for result in sys.argv[2:]:
        Path(result).write_text(json.dumps(summary))


def summarize(plan: list[bool], means_s: list[float]) -> dict[str, float]:
    """Return the median ratio of the pairs, with its bootstrap interval.

    Args:
        plan: Whether the trainer is attached, by block.
        means_s: The mean step time of each block.
    """
    pairs = list(zip(plan[::2], means_s[::2], means_s[1::2], strict=True))
    ratios = [first / second if attached else second / first for attached, first, second in pairs]
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2_000))
    without_s = statistics.median(m for flag, m in zip(plan, means_s, strict=True) if not flag)
    return {
        "step_s": without_s,
        "ratio": statistics.median(ratios),
        "ratio_low": medians[50],
        "ratio_high": medians[-51],
    }


if __name__ == "__main__":
    main()
