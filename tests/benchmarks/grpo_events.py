"""The events of a made-up GRPO run, as the pipeline finishes them: what the benchmarks write.

A step is 8 prompts with 8 completions each: 1 `reward` event with the values of three functions, 64
`model_output`, 1 `generation` and 1 `training`, as `logflume.training.attach` logs them. The texts
are of a small vocabulary with the frequencies of a natural language; zstd leaves about 30 % of
them, as of GSM8K's solutions.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from logflume.run import RunInfo
from logflume.values.normalise import Normalizer

__all__ = ["EVENTS_PER_STEP", "FUNCTIONS", "GrpoRun"]

GROUPS, GROUP_SIZE = 8, 8
COMPLETIONS = GROUPS * GROUP_SIZE
EVENTS_PER_STEP = COMPLETIONS + 3
FUNCTIONS = {"correctness": 2.0, "format": 0.5, "brevity": 1.0}
"""The reward functions, and the most that each gives."""

_SYSTEM = "Think first, between <reasoning> tags; then give a number between <answer> tags.\n"
_FORMAT = "<reasoning>\n{}\n</reasoning>\n<answer>\n{}\n</answer>"
_QUESTIONS = 7_473  # as many as GSM8K has
_QUESTION_CHARACTERS = 240
_PHRASE_WORDS = 3
_PHRASES = 20_000
_STEP_S = 9.0
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class GrpoRun:
    """One run, the same each time for the same arguments.

    Args:
        run: Which run; its id is also the seed.
        text_characters: Mean length of the reasoning in a completion.
    """

    def __init__(self, run: RunInfo, text_characters: int = 900) -> None:
        self.normalizer = Normalizer(run)
        self._rng = np.random.default_rng(list(run.run.encode()))
        words = np.random.default_rng(0)
        vocabulary = _make_words(words, 3_000)
        ranks = words.zipf(1.2, (_PHRASES, _PHRASE_WORDS)) % len(vocabulary)
        self._phrases = [" ".join(vocabulary[word] for word in phrase) for phrase in ranks]
        self._text_phrases = max(1, round(text_characters / _mean_length(self._phrases)))
        self._questions = self._texts(_QUESTIONS, _QUESTION_CHARACTERS)

    def steps(self, count: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the finished events of each step, from step 1 on."""
        for step in range(1, count + 1):
            yield [self.normalizer.finish(event) for event in self._step(step, step / count)]

    def _step(self, step: int, progress: float) -> Iterator[dict[str, Any]]:
        rng = self._rng
        rewards = {
            name: most * (rng.random(COMPLETIONS) < 0.2 + 0.6 * progress)
            for name, most in FUNCTIONS.items()
        }
        rewards["brevity"] = np.round(rng.random(COMPLETIONS), 3)
        total = np.sum(list(rewards.values()), axis=0)
        values = {f"rewards/{name}": found.tolist() for name, found in rewards.items()}
        values["rewards/total"] = total.tolist()
        at = _BEGIN + timedelta(seconds=_STEP_S * step)
        place = {"step": step, "mode": "train", "global_step": step - 1, "generation": step - 1}
        yield _event("reward", "reward", at, place | values | _statistics(values))
        yield from self._outputs(at, place, values, total)
        yield _event("metrics", "generation", at, place | self._generation(progress))
        place["global_step"] = step
        yield _event("training", "training", at, place | self._training(step, values))

    def _outputs(
        self, at: datetime, place: dict[str, Any], values: dict[str, Any], total: Any
    ) -> Iterator[dict[str, Any]]:
        questions = self._rng.integers(_QUESTIONS, size=GROUPS).tolist()
        advantages = (total - total.mean()).tolist()
        texts = self._texts(COMPLETIONS, None)
        right = (total >= 1.5).tolist()
        for row, reasoning in enumerate(texts):
            group, index = divmod(row, GROUP_SIZE)
            question = self._questions[questions[group]]
            true_answer = str(questions[group])
            answer = true_answer if right[row] else str(row)
            yield _event("model", "model_output", at, place) | {
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
                **{name: found[row] for name, found in values.items()},
                "advantage": advantages[row],
                "prompt_tokens": len(question) // 4,
                "quality/characters": len(reasoning) + 46,
                "quality/words": len(reasoning) // 6,
                "quality/format_ok": True,
                "quality/has_answer": True,
                "quality/repetition": advantages[row] % 1.0,
                "quality/distinct_2": 1.0,
                "quality/correct": right[row],
            }

    def _generation(self, progress: float) -> dict[str, Any]:
        seconds = self._rng.random(len(FUNCTIONS)).tolist()
        return {
            "rows": COMPLETIONS,
            "generate_s": 4.0 + progress,
            **{f"reward_s/{name}": s for name, s in zip(FUNCTIONS, seconds, strict=True)},
            "quality/characters/mean": 900.0 + seconds[0],
            "quality/correct/mean": progress,
            "quality/n": COMPLETIONS,
        }

    def _training(self, step: int, values: dict[str, Any]) -> dict[str, Any]:
        noise = self._rng.normal(size=7).tolist()
        means = {f"{name}/mean": statistics.fmean(found) for name, found in values.items()}
        return {
            "loss": 0.01 * noise[0],
            "grad_norm": 0.2 + 0.01 * noise[1],
            "learning_rate": 1e-6,
            "num_tokens": 64.0 * 300 * step,
            "completions/mean_length": 220 + noise[2],
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
            "epoch": step * GROUPS / _QUESTIONS,
        }

    def _texts(self, count: int, characters: int | None) -> list[str]:
        phrases = self._text_phrases
        if characters is not None:
            phrases = round(characters / _mean_length(self._phrases))
        lengths = self._rng.integers(phrases // 2 + 1, phrases * 3 // 2 + 2, size=count).tolist()
        chosen = self._rng.integers(_PHRASES, size=sum(lengths)).tolist()
        texts, begin = [], 0
        for length in lengths:
            texts.append(" ".join([self._phrases[i] for i in chosen[begin : begin + length]]))
            begin += length
        return texts


def _event(logger: str, event_type: str, at: datetime, fields: dict[str, Any]) -> dict[str, Any]:
    timestamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "timestamp": timestamp,
        "level": "info",
        "logger": logger,
        "event": event_type,
        **fields,
    }


def _statistics(values: dict[str, list[float]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, some in values.items():
        array = np.array(some)
        found |= {
            f"{name}/mean": float(array.mean()),
            f"{name}/std": float(array.std(ddof=1)),
            f"{name}/min": float(array.min()),
            f"{name}/max": float(array.max()),
            f"{name}/n": len(some),
        }
    return found


def _make_words(rng: np.random.Generator, count: int) -> list[str]:
    letters = np.array(list("eeeeettttaaaooniinshrdlucmfwypvbgk"))
    lengths = rng.integers(2, 10, size=count).tolist()
    return ["".join(rng.choice(letters, size=length)) for length in lengths]


def _mean_length(phrases: list[str]) -> float:
    return statistics.fmean(map(len, phrases)) + 1
