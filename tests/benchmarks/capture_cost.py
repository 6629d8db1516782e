"""What full capture costs a GRPO step, as a ratio within one run of the demo's training.

    python tests/benchmarks/capture_cost.py

Every other step is attached, the ones between are not; the medians of both are compared. All five
sinks are on. The step is small (about 0.2 s on one core), which makes the share large.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

import logflume
from logflume.demo.options import parse_options, prepare_process
from logflume.demo.rewards import REWARD_FUNCTIONS
from logflume.training import attach

STEPS = 200


def main() -> None:
    """Train, and print the two medians and their ratio."""
    prepare_process(parse_options([], description=""))
    from transformers import TrainerCallback
    from trl import GRPOTrainer

    from logflume.demo.training import prepare

    times: dict[bool, list[float]] = {True: [], False: []}

    class Toggle(TrainerCallback):
        """Attaches before every other step, and notes how long each took."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.attachment = attach(trainer) if state.global_step % 2 else None
            self.started_s = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            is_attached = self.attachment is not None
            times[is_attached].append(time.perf_counter() - self.started_s)
            if self.attachment is not None:
                self.attachment.detach()

    functions: list[Any] = [*REWARD_FUNCTIONS]
    setup = prepare(parse_options(["--steps", str(STEPS)], description=""))
    trainer = GRPOTrainer(
        model=setup.model,
        processing_class=setup.tokenizer,
        args=setup.config,
        train_dataset=setup.dataset,
        reward_funcs=functions,
        callbacks=[Toggle()],
    )
    with tempfile.TemporaryDirectory() as folder:
        logflume.initialize(dir=folder, level="WARNING")
        trainer.train()
        logflume.shutdown()
    without_s, with_s = statistics.median(times[False]), statistics.median(times[True])
    print(f"without {without_s * 1e3:.1f} ms, with {with_s * 1e3:.1f} ms a step")
    print(f"ratio {with_s / without_s:.4f}")


if __name__ == "__main__":
    main()
