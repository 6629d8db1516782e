"""Rollouts that TRL's `AsyncGRPOTrainer` takes from its queue."""

from __future__ import annotations

import queue
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from logflume.testing import capture_events
from logflume.training import attach
from logflume.training.policies import first_groups
from tests.event_helpers import of_type

accelerate = pytest.importorskip("accelerate")
worker = pytest.importorskip("trl.experimental.async_grpo.async_rollout_worker")
trainers = pytest.importorskip("trl.experimental.async_grpo.async_grpo_trainer")


def make_sample(group: int, reward: float, version: int, tokens: list[int] | None = None) -> Any:
    """Return a rollout as the worker of `AsyncGRPOTrainer` sends it."""
    ids = tokens or [1, 2, 3, 4, 5]
    return worker.RolloutSample(
        prompt=[{"role": "user", "content": f"question {group}"}],
        completion=[{"role": "assistant", "content": f"answer {reward}"}],
        input_ids=np.array(ids),
        completion_mask=np.array([0, 0, *[1] * (len(ids) - 2)]),
        old_log_probs=np.zeros(len(ids), dtype=np.float32),
        advantage=reward - 0.5,
        model_version=version,
        group_id=group,
        metrics={"reward": 2 * reward, "reward_std": 0.5, "rewards/judge": reward},
    )


class AsyncTrainer:
    """What `AsyncGRPOTrainer` is to its dataset, which here is the real one, without a server."""

    def __init__(self, samples: list[Any]) -> None:
        self.callback_handler = SimpleNamespace(callbacks=[])
        self.state = SimpleNamespace(global_step=0, is_world_process_zero=True)
        self.args = SimpleNamespace(max_staleness=2, reward_weights=[2.0])
        self.model_version = 4
        self.reward_funcs = [len]
        self.rollout_queue: queue.Queue[Any] = queue.Queue()
        for sample in samples:
            self.rollout_queue.put(sample)

    def add_callback(self, callback: Any) -> None:
        """Do as a `transformers` Trainer does."""
        self.callback_handler.callbacks.append(callback)

    def remove_callback(self, callback: Any) -> None:
        """Do as a `transformers` Trainer does."""
        self.callback_handler.callbacks.remove(callback)

    def train(self, samples_of_steps: list[int]) -> list[float]:
        """Take samples from the queue, and return the advantages that are trained on."""
        accelerate.PartialState(cpu=True)  # for the trainer's own messages
        dataset = trainers.RolloutQueueDataset(
            self.rollout_queue,
            lambda: self.model_version,
            lambda _stale_after_s: None,
            1.0,
            defaultdict(list),
            max_staleness=self.args.max_staleness,
        )
        samples = iter(dataset)
        trained = []
        for count in samples_of_steps:
            trained += [next(samples)["advantage"] for _ in range(count)]
            self.state.global_step += 1
            for callback in self.callback_handler.callbacks:
                callback.on_step_end(self.args, self.state, None)
        return trained


def test_rollouts_of_the_queue_are_captured() -> None:
    """Each rollout that the trainer takes is a completion with its rewards, group, advantage and
    policy; one that is too old is kept and marked."""
    samples = [
        make_sample(7, 0.0, 4),
        make_sample(7, 1.0, 4),
        make_sample(8, 0.5, 1),  # dropped by the trainer
        make_sample(8, 0.25, 3),
        make_sample(9, 1.0, 4),
        make_sample(9, 0.0, 4),
    ]
    trainer = AsyncTrainer(samples)
    with capture_events("tag_step", "flatten_rewards") as events, attach(trainer):
        trained = trainer.train([3, 2])
    outputs = of_type(events, "model_output")
    assert 6 == len(outputs)
    assert [1, 1, 1, 1, 2, 2] == [event["step"] for event in outputs]
    assert [7, 7, 8, 8, 9, 9] == [event["group"] for event in outputs]
    assert [0, 1] * 3 == [event["index"] for event in outputs]
    assert [4, 4, 1, 3, 4, 4] == [event["policy_version"] for event in outputs]
    assert ["filtered"] == [event["ended_by"] for event in outputs if event["ended_by"]]
    assert trained == [e["advantage"] for e in outputs if e["ended_by"] is None]
    assert [0.0, 2.0, 1.0, 0.5, 2.0, 0.0] == [event["rewards/total"] for event in outputs]
    assert {(2, 3)} == {(event["prompt_tokens"], event["completion_tokens"]) for event in outputs}
    assert ["question 7", "answer 0.0"] == [outputs[0]["question"], outputs[0]["model_output"]]
    first, second = of_type(events, "reward")
    assert ([0.0, 1.0, 0.5, 0.25], 2) == (first["rewards/judge"], first["num_generations"])
    assert [1.0, 0.0] == second["rewards/judge"]
    assert [] == of_type(events, "message")


def test_rows_of_one_conversation_are_one_completion() -> None:
    """A conversation whose history was rewritten has several rows to train on, and is logged once;
    equal completions of a group are logged each."""
    forked = [make_sample(1, 1.0, 4), make_sample(1, 1.0, 4, tokens=[9, 9, 9, 9])]
    equal = [make_sample(2, 0.0, 4), make_sample(2, 0.0, 4)]
    trainer = AsyncTrainer([*forked, *equal])
    with capture_events() as events, attach(trainer):
        trainer.train([4])
    assert [1, 2, 2] == [event["group"] for event in of_type(events, "model_output")]


def test_tokens_of_the_queue() -> None:
    """The tokens of a completion begin where the model's do, with the sampler's log-probabilities
    and without those of tools; of a discarded completion there are only the ids."""
    short, long = make_sample(7, 1.0, 4), make_sample(7, 0.0, 4, tokens=[1, 2, 6, 7, 8, 9])
    stale = make_sample(8, 0.5, 1)
    long.completion_mask[3] = 0
    long.old_log_probs[:] = [0, 0, -1.5, 0, -0.25, -0.125]
    trainer = AsyncTrainer([short, long, stale, make_sample(8, 0.25, 4)])
    policy = first_groups(3)
    with capture_events() as events, attach(trainer, tokens=policy):
        trainer.train([3])
    outputs, tokens = of_type(events, "model_output"), of_type(events, "tokens")
    lines = [event["message"] for event in of_type(events, "message")]

    assert [event["id"] for event in outputs[: len(tokens)]] == [event["id"] for event in tokens]
    assert [[3, 4, 5], [6, 7, 8, 9], [3, 4, 5]] == [event["token_ids"] for event in tokens[:3]]
    assert [-1.5, 0.0, -0.25, -0.125] == tokens[1]["sampler_logprob"]
    assert [[1, 1, 1], [1, 0, 1, 1], None] == [event["mask"] for event in tokens[:3]]
    assert ["there is no tokenizer"] == [line.partition(": ")[2][:21] for line in lines]


def test_detach_restores_the_queue() -> None:
    """After `detach` the queue and the callbacks are as before, and nothing is left out."""
    trainer = AsyncTrainer([make_sample(1, 1.0, 4)])
    before = dict(vars(trainer.rollout_queue))
    with capture_events() as events:
        with attach(trainer):
            trainer.rollout_queue.get()
        trainer.rollout_queue.put(make_sample(1, 0.0, 4))
        trainer.rollout_queue.get()
    assert before.keys() == vars(trainer.rollout_queue).keys()
    assert [] == trainer.callback_handler.callbacks
    assert 1 == len(of_type(events, "model_output"))


def test_a_rank_without_a_queue_logs_nothing() -> None:
    """Only the main process has the queue; on the others it is None."""
    trainer = AsyncTrainer([])
    vars(trainer)["rollout_queue"] = None
    with capture_events() as events, attach(trainer):
        pass
    assert [] == of_type(events, "model_output")


def test_a_sample_of_another_form_is_reported_once() -> None:
    """A sample that lacks what is read of it reaches the trainer, and one line says so."""
    trainer = AsyncTrainer([object(), object(), object()])
    with capture_events() as events, attach(trainer):
        for _ in range(3):
            trainer.rollout_queue.get()
            trainer.state.global_step += 1
    (message,) = [event["message"] for event in of_type(events, "message")]
    assert "could not be logged" in message
