"""A real `GRPOTrainer` with tools and a tiny model, whose generation follows a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.training.tiny_trainers import QUIET_ON_CPU

GROUP = 2

SYSTEM = "Use the tool."


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    if a < 0:
        raise ValueError("a is negative")
    return a + b


def call_of(name: str, arguments: str) -> str:
    """Return a tool call as Qwen3 writes it."""
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def extracting_reward(
    completions: list[Any], log_extra: Callable[..., None], **_: Any
) -> list[float | None]:
    """Reward the number of messages, and log the last content of each completion."""
    log_extra("last_content", [str(completion[-1].get("content")) for completion in completions])
    return [float(len(completion)) for completion in completions]


def make_tool_trainer(folder: Path, script: Sequence[Sequence[str]], **settings: Any) -> Any:
    """Return a trainer of one step that generates the texts of a script.

    Args:
        folder: The folder of its outputs.
        script: For each call of the generation the texts of the rows that are generated.
        settings: Further arguments of `GRPOConfig`.
    """
    from datasets import Dataset
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig
    from trl import GRPOConfig, GRPOTrainer
    from trl.chat_template_utils import qwen3_chat_template

    from logflume.demo.tiny_gemma import build_tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = build_tokenizer([text for turn in script for text in turn])
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>"})
    tokenizer.chat_template = qwen3_chat_template
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=4096,
        layer_types=["full_attention"],
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config._name_or_path = "tiny-gemma"
    prompt = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "40 + 2?"}]
    trainer = GRPOTrainer(
        model=Gemma3ForCausalLM(config),
        processing_class=tokenizer,
        args=GRPOConfig(
            **{
                "per_device_train_batch_size": len(script[0]),
                "num_generations": GROUP,
                "max_completion_length": 700,
                "max_steps": 1,
                "beta": 0.0,
                **QUIET_ON_CPU,
                "output_dir": str(folder),
                **settings,
            }
        ),
        train_dataset=Dataset.from_list([{"prompt": prompt}] * 8),
        reward_funcs=[extracting_reward],
        tools=[add],
    )
    turns = iter(script)

    def generate(_prompt_ids: Any, *_args: Any, **_kwargs: Any) -> tuple[list[list[int]], None]:
        return [_encode(tokenizer, text) for text in next(turns)], None

    vars(trainer)["_generate_single_turn"] = generate
    return trainer


def _encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def record_completions(trainer: Any) -> list[list[Any]]:
    """Record what the trainer scores, with a wrapper of its own below those of `attach`."""
    batches: list[list[Any]] = []
    original = trainer._calculate_rewards

    def record(inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
        rewards = original(inputs, prompts, completions, ids)
        batches.append(completions)
        return rewards

    trainer._calculate_rewards = record
    return batches


def flatten(batches: Sequence[Sequence[Any]]) -> Iterator[Any]:
    """Yield the rows of all batches."""
    for batch in batches:
        yield from batch
