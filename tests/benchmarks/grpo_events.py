"""Synthetic events of a GRPO run, in their final form, for the benchmarks of reading.

A step has 8 prompts with 8 completions each: 1 `reward` event with all values, 64 `model_output`
events, 1 `generation` and 1 `training` event, with the same fields as from
`logflume.training.attach`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from logflume.runs.info import RunInfo
from logflume.values.normalize import Normalizer
from tests.benchmarks.synthetic_texts import questions, texts

__all__ = ["EVENTS_PER_STEP", "GrpoRun", "Recipe"]

GROUPS, GROUP_SIZE = 8, 8
COMPLETIONS = GROUPS * GROUP_SIZE
EVENTS_PER_STEP = COMPLETIONS + 3

_SYSTEM = "Think first, between <reasoning> tags; then give a number between <answer> tags.\n"
_FORMAT = "<reasoning>\n{}\n</reasoning>\n<answer>\n{}\n</answer>"
_STEP_S = 9.0
_START = datetime(2026, 1, 1, tzinfo=UTC)


class Recipe(NamedTuple):
    """The parameters of a run.

    Attributes:
        functions: The reward functions.
        extra_metric: An additional metric of `training`; None: no such metric.
        text_characters: The mean length of the reasoning in a completion, in characters.
    """

    functions: Sequence[str] = ("correctness", "format", "brevity")
    extra_metric: str | None = None
    text_characters: int = 600


_DEFAULT = Recipe()


class GrpoRun:
    """One run, deterministic for the same arguments.

    Args:
        run: The run; its id is also the seed.
        recipe: Its parameters.

    Attributes:
        normalizer: Brings the events into their final form.
    """

    def __init__(self, run: RunInfo, recipe: Recipe = _DEFAULT) -> None:
        self.normalizer = Normalizer(run)
        self._recipe = recipe
        self._rng = np.random.default_rng(list(run.run.encode()))

    def finish(
        self, logger: str, event_type: str, step: int, fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Return an event in its final form, with the timestamp of the step."""
        time = _START + timedelta(seconds=_STEP_S * step)
        header = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": "info",
            "logger": logger,
            "event": event_type,
        }
        return self.normalizer.finish(header | fields)

    def steps(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield the events of steps 1 to `count`."""
        for step in range(1, count + 1):
            yield from self._step(step, step / count)

    def _step(self, step: int, progress: float) -> Iterator[dict[str, Any]]:
        values = self._rewards(progress)
        common = {"step": step, "mode": "train", "global_step": step - 1, "generation": step - 1}
        yield self.finish("reward", "reward", step, common | values | _statistics(values))
        for output in self._outputs(values):
            yield self.finish("model", "model_output", step, common | output)
        yield self.finish("metrics", "generation", step, common | self._generation(progress))
        common["global_step"] = step
        yield self.finish("training", "training", step, common | self._training(step, values))

    def _rewards(self, progress: float) -> dict[str, list[float]]:
        rng = self._rng
        rewards = {
            "correctness": 2.0 * (rng.random(COMPLETIONS) < 0.2 + 0.6 * progress),
            "format": 0.5 * (rng.random(COMPLETIONS) < 0.5 + 0.5 * progress),
            "brevity": np.round(rng.random(COMPLETIONS), 3),
        }
        rewards = {name: rewards[name] for name in self._recipe.functions}
        rewards["total"] = np.sum(list(rewards.values()), axis=0)
        return {f"rewards/{name}": values.tolist() for name, values in rewards.items()}

    def _outputs(self, values: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
        question_ids = self._rng.integers(len(questions()), size=GROUPS).tolist()
        mean = statistics.fmean(values["rewards/total"])
        reasonings = texts(self._rng, COMPLETIONS, self._recipe.text_characters)
        for row, reasoning in enumerate(reasonings):
            group, index = divmod(row, GROUP_SIZE)
            question = questions()[question_ids[group]]
            is_right = values["rewards/correctness"][row] > 0.0
            true_answer = str(question_ids[group])
            answer = true_answer if is_right else str(row)
            advantage = values["rewards/total"][row] - mean
            yield {
                "question": question,
                "true_answer": true_answer,
                "model_output": _FORMAT.format(reasoning, answer),
                "reasoning": reasoning,
                "answer": answer,
                "prompt": _SYSTEM + question,
                "group": group,
                "index": index,
                "completion_tokens": len(reasoning) // 4,
                "truncated": False,
                **{name: rewards[row] for name, rewards in values.items()},
                "advantage": advantage,
                "prompt_tokens": len(question) // 4,
                "quality/characters": len(reasoning) + 46,
                "quality/words": len(reasoning) // 6,
                "quality/format_ok": True,
                "quality/has_answer": True,
                "quality/repetition": advantage % 1.0,
                "quality/distinct_2": 1.0,
                "quality/correct": is_right,
            }

    def _generation(self, progress: float) -> dict[str, Any]:
        functions = self._recipe.functions
        seconds = self._rng.random(len(functions)).tolist()
        return {
            "rows": COMPLETIONS,
            "generate_s": 4.0 + progress,
            **{f"reward_s/{name}": s for name, s in zip(functions, seconds, strict=True)},
            "quality/characters/mean": 900.0 + seconds[0],
            "quality/correct/mean": progress,
            "quality/n": COMPLETIONS,
        }

    def _training(self, step: int, values: dict[str, Any]) -> dict[str, Any]:
        noise = self._rng.normal(size=7).tolist()
        extra = self._recipe.extra_metric
        means = {f"{name}/mean": statistics.fmean(rewards) for name, rewards in values.items()}
        return {
            "loss": 0.01 * noise[0],
            "grad_norm": 0.2 + 0.01 * noise[1],
            "learning_rate": 1e-6,
            "num_tokens": 64.0 * 300 * step,
            "completions/mean_length": 220.0 + noise[2],
            "completions/max_length": 512.0,
            "completions/clipped_ratio": 0.03125,
            **{name: mean for name, mean in means.items() if name != "rewards/total/mean"},
            "reward": means["rewards/total/mean"],
            "reward_std": 1.1 + 0.01 * noise[3],
            "frac_reward_zero_std": 0.125,
            "entropy": 0.3 + 0.01 * noise[4],
            "clip_ratio/region_mean": 0.0,
            "kl": 0.01 + 0.001 * noise[5],
            "step_time": _STEP_S + 0.1 * noise[6],
            "epoch": step * GROUPS / len(questions()),
            **({} if extra is None else {extra: noise[0]}),
        }


def _statistics(values: dict[str, list[float]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, rewards in values.items():
        array = np.array(rewards)
        fields |= {
            f"{name}/mean": float(array.mean()),
            f"{name}/std": float(array.std(ddof=1)),
            f"{name}/min": float(array.min()),
            f"{name}/max": float(array.max()),
            f"{name}/n": len(rewards),
        }
    return fields
