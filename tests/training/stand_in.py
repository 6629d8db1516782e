"""A stand-in for a trainer: TRL's two methods on completions that a test gives it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch

END = 1
"""The token that ends a completion."""


def count_reward(completions: list[Any], **_: Any) -> list[float]:
    """Reward the position within the batch, so that each completion has a reward of its own."""
    return [float(row) for row, _ in enumerate(completions)]


class StandIn:
    """Scores given completions as `GRPOTrainer` does; a model is only there for its mode.

    Args:
        rewards: The reward functions.
        attributes: What else the trainer has.
    """

    def __init__(self, rewards: Sequence[Any] = (count_reward,), **attributes: Any) -> None:
        self.callback_handler = SimpleNamespace(callbacks=[])
        self.state = SimpleNamespace(global_step=0, is_world_process_zero=True)
        self.accelerator = SimpleNamespace(process_index=0, is_main_process=True)
        self.model = torch.nn.Linear(1, 1)
        self.reward_funcs = list(rewards)
        self.reward_func_names = [function.__name__ for function in rewards]
        self.reward_weights = torch.ones(len(rewards))
        self.eos_token_ids = [END]
        self.num_generations = 2
        self.max_completion_length = 100
        self._pending_extra_logs: dict[str, list[Any]] = defaultdict(list)
        self._pending_metrics: dict[str, list[Any]] = defaultdict(list)
        self.next: list[dict[str, Any]] = []
        vars(self).update(attributes)

    def add_callback(self, callback: Any) -> None:
        """Do as a `transformers` Trainer does."""
        self.callback_handler.callbacks.append(callback)

    def remove_callback(self, callback: Any) -> None:
        """Do as a `transformers` Trainer does."""
        self.callback_handler.callbacks.remove(callback)

    def log_completion_extra(self, column: str, values: Sequence[Any]) -> None:
        """Collect a column, as TRL's `log_extra`."""
        self._pending_extra_logs[column].extend(values)

    def log_metric(self, name: str, value: Any) -> None:
        """Collect a value of a metric, as TRL's `log_metric`."""
        self._pending_metrics[name].append(value)

    def step(
        self,
        completions: Sequence[Any],
        prompts: Sequence[Any] | None = None,
        token_ids: Sequence[Sequence[int]] | None = None,
        inputs: Sequence[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Let the trainer score completions, and return what it trains on."""
        count = len(completions)
        self.next = [
            {
                "completions": list(completions),
                "prompts": list(prompts or ["1 + 1?"] * count),
                "completion_ids_list": [list(ids) for ids in token_ids or [[5, END]] * count],
                "inputs": list(inputs or [{"prompt": "1 + 1?"}] * count),
            }
        ]
        output: dict[str, Any] = self._generate_and_score_completions(self.next[0]["inputs"])
        return output

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Any:
        values = [
            function(
                prompts=prompts,
                completions=completions,
                completion_ids=completion_ids_list,
                trainer_state=self.state,
                log_extra=self.log_completion_extra,
                log_metric=self.log_metric,
            )
            for function in self.reward_funcs
        ]
        return torch.tensor(values).T

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        (batch,) = self.next
        rewards = self._calculate_rewards(
            inputs, batch["prompts"], batch["completions"], batch["completion_ids_list"]
        )
        return self.output_of(batch["completion_ids_list"], rewards.sum(dim=1))

    def output_of(self, token_ids: Sequence[Sequence[int]], advantages: Any) -> dict[str, Any]:
        """Return the padded tensors of a batch."""
        width = max(map(len, token_ids), default=0)
        padded = [[*ids, *[0] * (width - len(ids))] for ids in token_ids]
        mask = [[int(place < len(ids)) for place in range(width)] for ids in token_ids]
        return {
            "completion_ids": torch.tensor(padded),
            "completion_mask": torch.tensor(mask),
            "prompt_mask": torch.ones(len(token_ids), 3, dtype=torch.long),
            "advantages": advantages,
        }
