"""The common part of the training scripts, which differ in configuration and in what they log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from logflume import LogflumeError, get_training_logger, initialize, shutdown
from logflume.demo.options import Options, prepare_process
from logflume.demo.rewards import choose_rewards
from logflume.demo.summary import print_summary

if TYPE_CHECKING:
    from logflume.training import Attachment

__all__ = ["run_script"]


def run_script(options: Options, attach_to: Callable[[Any], Attachment]) -> int:
    """Train, print the summary, and return the exit status.

    Args:
        options: The options of the command line.
        attach_to: Attaches logflume to the trainer.
    """
    prepare_process(options)
    try:
        run = initialize(options.config, dir=options.dir)
        rewards = _train(options, attach_to)
    except LogflumeError as error:  # an invalid configuration, or a model that can't be loaded
        print(error, file=sys.stderr)
        return 2
    shutdown()
    print_summary(run, rewards)
    return 0


def _train(options: Options, attach_to: Callable[[Any], Attachment]) -> list[float]:
    """Train, and return the mean reward of each step."""
    log = get_training_logger()
    log.info("Loading torch and TRL")
    # Imported late: these imports take seconds and read what `prepare_process` has set.
    from trl import GRPOTrainer

    from logflume.demo.training import prepare, rewards_by_step, show_only_progress_bar

    log.info("Preparing the model", model=options.model or "tiny-gemma", seed=options.seed)
    setup = prepare(options)
    rewards = choose_rewards(lenient_format=options.lenient_format)
    trainer = GRPOTrainer(
        model=setup.model,
        processing_class=setup.tokenizer,
        args=setup.config,
        train_dataset=setup.dataset,
        reward_funcs=[*rewards],
    )
    show_only_progress_bar(trainer)
    log.info("Starting training run", steps=options.steps)
    with attach_to(trainer):
        trainer.train()
    return rewards_by_step(trainer)
