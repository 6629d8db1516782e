"""The standard training script: trains Gemma with GRPO and logs everything.

    python -m logflume.demo.new_gemma_training

By default it builds a tiny Gemma and trains it for 40 steps on word problems; `--model` loads a
real model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from logflume import LogflumeError, get_training_logger, initialize, shutdown
from logflume.demo.options import Options, parse_options, prepare_process
from logflume.demo.rewards import choose_rewards
from logflume.demo.summary import print_summary


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit status."""
    options = parse_options(argv, description="Train Gemma with GRPO and log everything.")
    prepare_process(options)
    try:
        run = initialize(options.config, dir=options.dir)
        rewards = train(options)
    except LogflumeError as error:  # an invalid configuration, or a model that can't be loaded
        print(error, file=sys.stderr)
        return 2
    shutdown()
    print_summary(run, rewards)
    return 0


def train(options: Options) -> list[float]:
    """Train, and return the mean reward of each step."""
    log = get_training_logger()
    log.info("Loading torch and TRL")
    # Imported late: these imports take seconds and read what `prepare_process` has set.
    from trl import GRPOTrainer

    from logflume.demo.training import prepare, rewards_by_step, show_only_progress_bar
    from logflume.training import attach

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
    with attach(trainer):
        trainer.train()
    return rewards_by_step(trainer)


if __name__ == "__main__":
    sys.exit(main())
