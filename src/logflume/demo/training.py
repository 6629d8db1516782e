"""The training setup of both scripts: model, tokenizer, dataset and TRL configuration."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    Trainer,
)
from trl import GRPOConfig

from logflume import get_training_logger
from logflume.demo.data import (
    Problem,
    Prompt,
    few_shot_prompt,
    instruction_prompt,
    make_problems,
    question_prompt,
)
from logflume.demo.model import load_model
from logflume.demo.options import Options
from logflume.demo.tiny_gemma import build_model, build_tokenizer
from logflume.demo.warmup import warm_up

__all__ = ["Setup", "prepare", "rewards_by_step", "show_only_progress_bar"]

_PROBLEMS = 512
_WARMUP_STEPS = 100

_TINY = {
    "per_device_train_batch_size": 64,
    "num_generations": 8,
    "max_completion_length": 16,  # a complete answer with its tags and the end of the turn
    "learning_rate": 1e-3,
    "use_cpu": True,  # such a small model is slower on a GPU
}
_REAL = {  # about a minute per step for a small model on a CPU
    "per_device_train_batch_size": 8,
    "num_generations": 4,
    "max_completion_length": 48,
    "learning_rate": 1e-5,
}


@dataclass(frozen=True)
class Setup:
    """The arguments of `GRPOTrainer`."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    dataset: Dataset
    config: GRPOConfig


def prepare(options: Options) -> Setup:
    """Build or load everything that the training needs. The same seed gives the same run.

    Raises:
        ModelError: The model of `--model` can't be loaded.
    """
    problems = make_problems(_PROBLEMS, options.seed)
    if options.model is None:
        return _prepare_tiny(options, problems)
    model, tokenizer = load_model(options.model)
    make_prompt = few_shot_prompt if tokenizer.chat_template is None else instruction_prompt
    return Setup(model, tokenizer, _dataset(problems, make_prompt), _grpo_config(options, _REAL))


def _prepare_tiny(options: Options, problems: list[Problem]) -> Setup:
    # With 92,000 parameters, a second thread brings no speedup and competes with other processes.
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    turns = [("user", problem.question, "model", problem.answer) for problem in problems]
    tokenizer = build_tokenizer(chain.from_iterable(turns))
    model = build_model(tokenizer)
    loss = warm_up(model, tokenizer, problems, steps=_WARMUP_STEPS, seed=options.seed)
    get_training_logger().info("Warmed up the model", steps=_WARMUP_STEPS, loss=loss)
    return Setup(
        model, tokenizer, _dataset(problems, question_prompt), _grpo_config(options, _TINY)
    )


def _dataset(problems: list[Problem], make_prompt: Callable[[str], Prompt]) -> Dataset:
    """Return rows of `prompt`, `question` and `answer`; TRL passes the rewards the last two."""
    return Dataset.from_list(
        [
            {
                "prompt": make_prompt(problem.question),
                "question": problem.question,
                "answer": problem.answer,
            }
            for problem in problems
        ]
    )


def _grpo_config(options: Options, settings: dict[str, Any]) -> GRPOConfig:
    return GRPOConfig(
        **settings,
        output_dir=tempfile.gettempdir(),  # required, although nothing is saved
        save_strategy="no",
        report_to=[],
        max_steps=options.steps,
        seed=options.seed,
        logging_steps=1,
        lr_scheduler_type="constant",
        beta=0.0,
        # TRL enables both by default, regardless of the model and the machine.
        bf16=options.model is not None and torch.cuda.is_available(),
        gradient_checkpointing=False,
        dataloader_pin_memory=torch.cuda.is_available(),  # torch warns without CUDA
        disable_tqdm=not sys.stderr.isatty(),
    )


class _ProgressBar(ProgressCallback):
    """The trainer's progress bar, without the metrics that it prints at each step."""

    def on_log(self, *args: Any, **kwargs: Any) -> None:
        """Print nothing: the console sink prints the metrics."""


def show_only_progress_bar(trainer: Trainer) -> None:
    """Replace the trainer's own output by a progress bar, which is shown on terminals only."""
    trainer.remove_callback(PrinterCallback)
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(_ProgressBar())


def rewards_by_step(trainer: Trainer) -> list[float]:
    """Return the mean total reward of each step, from the trainer's log history."""
    return [row["reward"] for row in trainer.state.log_history if "reward" in row]
