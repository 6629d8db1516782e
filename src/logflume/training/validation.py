"""Validation during training: completions of user-supplied prompts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from logflume.logger.logger import get_logger
from logflume.training.answer_parsing import final_answer
from logflume.training.conversations import read_completion, readable
from logflume.training.trainer_prompts import prompt_id, question_of
from logflume.values.plain import to_plain

__all__ = ["Validation"]


class Validation:
    """Generates completions of some prompts with the current model, and logs them.

    Each completion is a `model_output` event with the mode `eval`. One `evaluation` event per run
    of the validation has `validation/accuracy`, `validation/n` and `validation/seconds`. Decoding
    is greedy, so it consumes no random numbers and does not affect training.

    Args:
        prompts: Text, chat messages, or mappings with `prompt` and optionally `answer` and
            `question`.
        max_new_tokens: Maximum length of a completion, in tokens.
    """

    def __init__(self, prompts: Sequence[Any], max_new_tokens: int = 256) -> None:
        self._rows = [row if isinstance(row, dict) else {"prompt": row} for row in prompts]
        self._max_new_tokens = max_new_tokens

    def run(self, model: Any, tokenizer: Any, step: int) -> None:
        """Complete every prompt with the current model, and log the completions."""
        was_training = model.training
        started_s = time.perf_counter()
        model.eval()
        try:
            texts = [self._complete(model, tokenizer, row["prompt"]) for row in self._rows]
        finally:
            model.train(was_training)
        common = {"step": step, "global_step": step, "mode": "eval"}
        correct: list[bool] = []
        for row, text in zip(self._rows, texts, strict=True):
            completion = read_completion(text)
            truth = final_answer(row.get("answer"))
            if truth is not None:
                correct.append(completion.answer == str(truth).strip())
            get_logger("model").info(
                "model_output",
                **common,
                question=row.get("question", question_of(row["prompt"])),
                true_answer=truth,
                model_output=text,
                reasoning=completion.reasoning,
                answer=completion.answer,
                prompt=readable(row["prompt"]),
                prompt_id=prompt_id(to_plain(row["prompt"])),
            )
        accuracy = sum(correct) / len(correct) if correct else None
        seconds = time.perf_counter() - started_s
        fields = {"n": len(texts), "accuracy": accuracy, "seconds": seconds}
        get_logger("training").info("evaluation", **common, validation=fields)

    def _complete(self, model: Any, tokenizer: Any, prompt: Any) -> str:
        import torch

        if isinstance(prompt, str):
            inputs = tokenizer(prompt, return_tensors="pt")
        else:
            inputs = tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, return_dict=True, return_tensors="pt"
            )
        inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
        with torch.no_grad():
            tokens = model.generate(
                **inputs, max_new_tokens=self._max_new_tokens, do_sample=False, num_beams=1
            )
        new = tokens[0, inputs["input_ids"].shape[1] :]
        return str(tokenizer.decode(new, skip_special_tokens=True))
