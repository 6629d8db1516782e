"""`attach` on trainers without rollouts: the metrics of SFT and DPO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from logflume.demo.tiny_gemma import build_model, build_tokenizer
from logflume.testing import capture_events
from logflume.training import attach
from tests.training.test_attach import of_type
from tests.training.tiny_trainers import QUIET_ON_CPU

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
    rows = [{"prompt": f"{n} + 1 = ", "chosen": f"{n + 1}", "rejected": "none"} for n in range(8)]
    if kind == "SFT":
        rows = [{"text": row["prompt"] + row["chosen"]} for row in rows]
    tokenizer = build_tokenizer([text for row in rows for text in row.values()])
    # By default, DPO would download its reference model.
    reference = {"ref_model": build_model(tokenizer)} if kind == "DPO" else {}
    return getattr(trl, f"{kind}Trainer")(
        model=build_model(tokenizer),
        **reference,
        processing_class=tokenizer,
        args=getattr(trl, f"{kind}Config")(output_dir=str(folder), **SETTINGS),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows[:4]),
    )


@pytest.mark.parametrize("kind", ["SFT", "DPO"])
def test_metrics_of_other_trainers(tmp_path: Path, kind: str) -> None:
    """The metrics of SFT and DPO are logged at each step and evaluation, with TRL's names."""
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
