"""The trainer of the demo, for benchmarks that log its training in their own way."""

from __future__ import annotations

from typing import Any

from logflume.demo.options import parse_options
from logflume.demo.rewards import choose_rewards

__all__ = ["make_trainer"]


def make_trainer(steps: int) -> Any:
    """Return a `GRPOTrainer` of the demo's model, to which nothing is attached.

    Call `logflume.demo.options.prepare_process` before transformers is imported.
    """
    from trl import GRPOTrainer

    from logflume.demo.training import prepare

    setup = prepare(parse_options(["--steps", str(steps)], description=""))
    return GRPOTrainer(
        model=setup.model,
        processing_class=setup.tokenizer,
        args=setup.config,
        train_dataset=setup.dataset,
        reward_funcs=[*choose_rewards()],
    )
