"""`attach` on trainers other than GRPO's: metrics of all, rollouts of those that have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from logflume.demo.tiny_gemma import build_model, build_tokenizer
from logflume.testing import capture_events
from logflume.training import attach
from tests.event_helpers import of_type
from tests.training import tiny_trainers
from tests.training.tiny_trainers import QUIET_ON_CPU, format_reward

SETTINGS: dict[str, Any] = {
    "max_steps": 3,
    "per_device_train_batch_size": 2,
    "per_device_eval_batch_size": 2,
    "eval_strategy": "steps",
    "eval_steps": 3,
    **QUIET_ON_CPU,
}


def make_trainer(folder: Path, kind: str) -> Any:
    """Return the TRL trainer of a kind, with a tiny model and a few rows."""
    import trl

    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[dict[str, Any]]
    rows = [{"prompt": f"{n} + 1 = ", "chosen": f"{n + 1}", "rejected": "none"} for n in range(8)]
    if kind == "SFT":
        rows = [{"text": row["prompt"] + row["chosen"]} for row in rows]
    if kind == "KTO":
        rows = [
            {"prompt": row["prompt"], "completion": row["chosen"], "label": n % 2 == 0}
            for n, row in enumerate(rows)
        ]
    texts = [str(value) for row in rows for value in row.values()]
    tokenizer = build_tokenizer(texts)
    # By default, DPO would download its reference model.
    reference = {} if kind == "SFT" else {"ref_model": build_model(tokenizer)}
    return getattr(trl, f"{kind}Trainer")(
        model=build_model(tokenizer),
        **reference,
        processing_class=tokenizer,
        args=getattr(trl, f"{kind}Config")(output_dir=str(folder), **SETTINGS),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows[:4]),
    )


@pytest.mark.parametrize("kind", ["SFT", "DPO", "KTO"])
def test_metrics_of_other_trainers(tmp_path: Path, kind: str) -> None:
    """The metrics of SFT, DPO and KTO are logged at each step and evaluation, with TRL's names."""
    trainer = make_trainer(tmp_path, kind)
    with capture_events("tag_step", "flatten_rewards", "watch_training") as events, attach(trainer):
        trainer.train()
    training = of_type(events, "training")
    assert [1, 2, 3] == [event["step"] for event in training]
    reported = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert reported == [event["loss"] for event in training]
    (evaluation,) = of_type(events, "evaluation")
    assert (3, "eval") == (evaluation["step"], evaluation["mode"])
    assert [] == of_type(events, "reward") + of_type(events, "model_output")
    assert 1 == len(of_type(events, "summary"))


def test_rewards_of_dpo_are_metrics(tmp_path: Path) -> None:
    """DPO's `rewards/chosen` is a metric of a step, not a reward function."""
    trainer = make_trainer(tmp_path, "DPO")
    with capture_events("tag_step", "flatten_rewards") as events, attach(trainer):
        trainer.train()
    for event in of_type(events, "training"):
        assert isinstance(event["rewards/chosen"], float)
        assert isinstance(event["rewards/margins"], float)
        assert not [name for name in event if name.startswith("rewards/chosen/")]


def test_rollouts_of_online_dpo(tmp_path: Path) -> None:
    """Where only the reward functions can be wrapped, completions, rewards and the weighted total
    are logged, and one line says what is missing."""
    trl = pytest.importorskip("trl.experimental.online_dpo")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [{"prompt": f"{n} + 1 = "} for n in range(8)]
    tokenizer = build_tokenizer([row["prompt"] for row in rows])
    settings = {"max_steps": 2, "per_device_train_batch_size": 2, "max_new_tokens": 4}
    trainer = trl.OnlineDPOTrainer(
        model=build_model(tokenizer),
        ref_model=build_model(tokenizer),
        reward_funcs=[format_reward],
        processing_class=tokenizer,
        args=trl.OnlineDPOConfig(
            output_dir=str(tmp_path), reward_weights=[3.0], **settings, **QUIET_ON_CPU
        ),
        train_dataset=Dataset.from_list(rows),
    )
    functions = trainer.reward_funcs
    with capture_events("tag_step", "flatten_rewards") as events, attach(trainer):
        trainer.train()
    assert functions is trainer.reward_funcs
    outputs = of_type(events, "model_output")
    assert [1] * 4 + [2] * 4 == [event["step"] for event in outputs]
    for event in outputs:
        assert event["rewards/total"] == pytest.approx(3 * event["rewards/format_reward"])
        assert event["prompt"] in {row["prompt"] for row in rows}
    assert 2 == len({event["prompt_id"] for event in outputs if event["step"] == 1})
    (message,) = [event["message"] for event in of_type(events, "message")]
    assert "OnlineDPOTrainer" in message
    assert "without advantages" in message


@pytest.mark.parametrize("loss", ["dapo", "dr_grpo", "bnpo", "cispo", "gspo", "gmpo"])
def test_rollouts_of_all_losses(tmp_path: Path, loss: str) -> None:
    """Every loss of `GRPOTrainer`, and `GMPOTrainer`, go through the methods that are captured."""
    settings: dict[str, Any] = {"loss_type": loss}
    if loss == "gmpo":
        settings = {"kind": "gmpo"}
    if loss == "gspo":
        settings = {"loss_type": "grpo", "importance_sampling_level": "sequence"}
    trainer = tiny_trainers.make_trainer(tmp_path, max_steps=1, **settings)
    with capture_events("tag_step", "flatten_rewards") as events, attach(trainer):
        trainer.train()
    outputs = of_type(events, "model_output")
    assert 8 == len(outputs)
    assert all(event["advantage"] is not None and event["ended_by"] for event in outputs)
