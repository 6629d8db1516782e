"""Real TRL trainers with a tiny model, for tests and the processes that they start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

GROUP = 4

QUIET_ON_CPU: dict[str, Any] = {
    "logging_steps": 1,
    "report_to": [],
    "save_strategy": "no",
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
}
"""Settings of all trainers of the tests."""


def format_reward(completions: list[Any], **_: Any) -> list[float]:
    """Reward length, so that rewards vary within groups."""
    return [len(str(completion)) / 100 for completion in completions]


def sometimes_reward(completions: list[Any], **_: Any) -> list[float | None]:
    """Apply to every other completion."""
    return [None if row % 2 else 1.0 for row in range(len(completions))]


def make_trainer(folder: Path, kind: str = "grpo", rewards: Any = None, **settings: Any) -> Any:
    """Return a trainer, always identical for the same arguments."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    from logflume.demo.data import make_problems, question_prompt
    from logflume.demo.tiny_gemma import build_model, build_tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    problems = make_problems(64, 0)
    texts = [text for p in problems for text in ("user", p.question, "model", p.answer)]
    tokenizer = build_tokenizer(texts)
    rows = [
        {"prompt": question_prompt(p.question), "question": p.question, "answer": p.answer}
        for p in problems
    ]
    kinds = {"grpo": (GRPOTrainer, GRPOConfig), "rloo": (RLOOTrainer, RLOOConfig)}
    if kind == "gmpo":
        from trl.experimental.gmpo import GMPOConfig, GMPOTrainer

        kinds["gmpo"] = (GMPOTrainer, GMPOConfig)
    trainer_class, config_class = kinds[kind]
    config = {
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "num_generations": GROUP,
        "max_completion_length": 6,
        "max_steps": 4,
        "learning_rate": 1e-3,
        "beta": 0.0,
        **QUIET_ON_CPU,
        "output_dir": str(folder),
        **settings,
    }
    return trainer_class(
        model=build_model(tokenizer),
        processing_class=tokenizer,
        args=config_class(**config),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows[:4]),
        reward_funcs=rewards or [format_reward, sometimes_reward],
    )
