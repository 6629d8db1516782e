"""`attach` in special cases: several ranks, duplicate names, older trainers, validation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

import logflume
from logflume.testing import capture_events
from logflume.training import attach
from logflume.training.callbacks import EnhancedLoggingCallback
from logflume.training.wrapped_rewards import get_wrapped_reward_functions
from tests.event_helpers import of_type
from tests.training.tiny_trainers import format_reward, make_trainer, sometimes_reward

RANK_SCRIPT = """
import sys
from pathlib import Path
import logflume
from logflume.training import attach
from tests.training.tiny_trainers import make_trainer

run = logflume.initialize(
    {
        "dir": sys.argv[1],
        "root": {"sinks": ["console", "jsonl"]},
        "processors": ["tag_step", "flatten_rewards"],
        "sinks": {"console": {}, "jsonl": {"path": "{dir}/{run}/events.jsonl"}},
    }
)
trainer = make_trainer(Path(sys.argv[1]) / "out", per_device_train_batch_size=2, max_steps=2)
with attach(trainer):
    trainer.train()
"""


def test_two_ranks(tmp_path: Path) -> None:
    """With torchrun, each rank writes its own completions and rank 0 the metrics. A group that is
    split over the ranks is one group when it is read back."""
    script = tmp_path / "script.py"
    script.write_text(RANK_SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    result = subprocess.run(
        [*launcher, "--standalone", str(script), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == result.returncode, result.stderr
    folder = tmp_path / "latest"
    assert {"events.jsonl", "events-rank1.jsonl"} == {p.name for p in folder.glob("events*")}
    events = list(logflume.open_run(folder))
    outputs = of_type(events, "model_output")
    rows = Counter((e["generation"], e["group"], e["index"]) for e in outputs)
    assert {(g, 0, i): 1 for g in range(2) for i in range(4)} == rows
    assert {0, 1} == {event["rank"] for event in outputs if event["group"] == 0}
    for metrics in ("training", "reward"):
        assert [(0, 1), (0, 2)] == [(e["rank"], e["step"]) for e in of_type(events, metrics)]
    assert 4 == len(of_type(events, "reward")[0]["rewards/total"])
    assert 1 == len(re.findall(r"step 2/2 +reward ", result.stderr))


def test_wrapped_functions_are_not_logged_twice(tmp_path: Path) -> None:
    """With a trainer whose functions are already wrapped, `attach` logs each rollout once."""
    functions = get_wrapped_reward_functions([format_reward, sometimes_reward])
    trainer = make_trainer(tmp_path, rewards=functions, max_steps=1)
    with capture_events() as events, attach(trainer):
        trainer.train()
    assert (1, 8) == (len(of_type(events, "reward")), len(of_type(events, "model_output")))


def test_functions_with_the_same_name(tmp_path: Path) -> None:
    """Two reward functions with the same name cause one warning, and are logged under two names."""

    def format_reward(completions: list[Any], **_: Any) -> list[float]:
        return [0.0 for _ in completions]

    from tests.training.tiny_trainers import format_reward as other

    trainer = make_trainer(tmp_path, rewards=[other, format_reward], max_steps=1)
    with capture_events("flatten_rewards") as events, attach(trainer):
        trainer.train()
    (reward,) = of_type(events, "reward")
    assert {"rewards/format_reward", "rewards/format_reward_2"} <= reward.keys()
    warnings = [e for e in of_type(events, "message") if "TRL merges their metrics" in e["message"]]
    assert 1 == len(warnings)


def test_trainer_without_the_methods(tmp_path: Path) -> None:
    """If a trainer doesn't have the two methods, its reward functions are wrapped in a new list."""

    class OldTrainer:
        """The attributes of an earlier TRL's trainer that `attach` uses."""

        def __init__(self) -> None:
            real = make_trainer(tmp_path)
            self.reward_funcs = real.reward_funcs
            self.reward_func_names = real.reward_func_names
            self.callback_handler = real.callback_handler
            self.add_callback = real.add_callback
            self.remove_callback = real.remove_callback

    trainer = OldTrainer()
    functions = trainer.reward_funcs
    with capture_events() as events, attach(trainer):
        for function in trainer.reward_funcs:
            function(completions=["a", "b"], prompts=["p", "p"])
    assert 2 == len(of_type(events, "model_output"))
    assert functions is trainer.reward_funcs


def test_quality_can_be_disabled(tmp_path: Path) -> None:
    """With `quality=False`, `measure_generations` doesn't measure the completions."""
    names = []
    for quality in (True, False):
        trainer = make_trainer(tmp_path, max_steps=1)
        with capture_events("measure_generations") as events, attach(trainer, quality=quality):
            trainer.train()
        names.append({n for e in of_type(events, "model_output") for n in e if "quality" in n})
    assert "quality/repetition" in names[0]
    assert set() == names[1]


def test_truncation_matches_trl(tmp_path: Path) -> None:
    """The share of truncated completions equals TRL's `completions/clipped_ratio`."""
    trainer = make_trainer(tmp_path, max_completion_length=24, temperature=2.0)
    with capture_events() as events, attach(trainer):
        trainer.train()
    for report in of_type(events, "training"):
        outputs = [e for e in of_type(events, "model_output") if e["step"] == report["step"]]
        share = sum(event["truncated"] for event in outputs) / len(outputs)
        assert share == pytest.approx(report["completions/clipped_ratio"])


def test_validation_samples(tmp_path: Path) -> None:
    """The model completes the given prompts at the configured interval, and the training remains
    bit-identical."""
    from transformers import set_seed

    prompts = [{"prompt": [{"role": "user", "content": "3+4?"}], "answer": "#### 7"}, "3+4="]
    callback = EnhancedLoggingCallback(prompts, validation_frequency=2, validation_tokens=5)
    plain, validated = make_trainer(tmp_path), make_trainer(tmp_path)
    set_seed(1)
    plain.train()
    validated.add_callback(callback)
    set_seed(1)
    with capture_events("tag_step") as events:
        validated.train()
    outputs = of_type(events, "model_output")
    assert [(2, "eval")] * 2 + [(4, "eval")] * 2 == [(e["step"], e["mode"]) for e in outputs]
    assert ["3+4?", "3+4="] * 2 == [event["question"] for event in outputs]
    evaluations = of_type(events, "evaluation")
    assert [2.0, 2.0] == [event["validation/n"] for event in evaluations]
    assert {"validation/accuracy", "validation/seconds"} <= evaluations[0].keys()
    for before, after in zip(plain.model.parameters(), validated.model.parameters(), strict=True):
        assert torch.equal(before, after)


class Mute:
    """Has some of what a trainer has."""

    callback_handler = None

    def add_callback(self, callback: Any) -> None:
        raise AssertionError("called")


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (None, r"but got None, which has no add_callback"),
        (object(), r"an object of the class object, which has no add_callback"),
        ([Mute()], r"an object of the class list"),
        (
            Mute(),
            r"Mute, which has no remove_callback or callback_handler\.callbacks\. Pass the object",
        ),
        (Mute, r"got the class Mute\. Pass an instance: attach\(Mute\(\.\.\.\)\)"),
    ],
)
def test_what_is_no_trainer(trainer: Any, message: str) -> None:
    """`attach` refuses what isn't a trainer, before the training starts, and says why."""
    with pytest.raises(TypeError, match=message):
        attach(trainer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rollouts": "best"}, r"rollouts='best'.*'all' or a policy"),
        ({"rollouts": 4}, r"rollouts=4"),
        ({"columns": "difficulty"}, r"columns='difficulty'.*list of column names"),
        ({"columns": [1]}, r"columns=\[1\]"),
    ],
)
def test_odd_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    """An option of the wrong type is refused, and the trainer is unchanged."""
    trainer = make_trainer(tmp_path)
    before = dict(vars(trainer)), list(trainer.callback_handler.callbacks)
    with pytest.raises(TypeError, match=message):
        attach(trainer, **options)
    assert before == (dict(vars(trainer)), list(trainer.callback_handler.callbacks))
