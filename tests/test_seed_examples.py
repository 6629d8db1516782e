"""The examples of the seed document, unchanged but for `src.logging`, which is `logflume` here."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import logflume
from tests.config.test_dictconfig import SEED_SAMPLE

INITIALIZE = """
from logflume import initialize as init_logging

# Initialize with a configuration file
init_logging("src/logging/config/gemma_logging_config.yaml")
"""

LOGGERS = """
from logflume import (
    get_training_logger,
    get_model_logger,
    get_reward_logger,
    get_metrics_logger
)

# Get specific loggers for different components
training_logger = get_training_logger()
model_logger = get_model_logger()
"""

MESSAGES_AND_DATA = r"""
# Standard logging
training_logger.info("Starting training run")
training_logger.warning("Learning rate may be too high")

# Log model outputs
from logflume import log_model_output

log_model_output(
    question="What is 2+2?",
    true_answer="4",
    model_output="<reasoning>\n2+2=4\n</reasoning>\n<answer>\n4\n</answer>",
    reasoning="2+2=4",
    answer="4"
)

# Log metrics
from logflume import log_training_progress

log_training_progress(
    step=100,
    metrics={
        "loss": 0.5,
        "accuracy": 85.2,
        "learning_rate": 5e-6
    }
)
"""

RESOURCES = """
from logflume import log_memory_usage

# Log memory usage
log_memory_usage()
"""

REWARDS = """
from logflume import log_reward_metrics

rewards_dict = {
    "correctness_reward_func": [2.0, 0.0, 2.0],
    "format_reward_func": [0.5, 0.5, 0.5]
}

log_reward_metrics(step=100, rewards_dict=rewards_dict)
"""

TRAINER = """
# Get wrapped versions of original reward functions
from logflume.training.wrapped_rewards import get_wrapped_reward_functions

wrapped_reward_functions = get_wrapped_reward_functions(REWARD_FUNCTIONS)

# Use in trainer
trainer = GRPOTrainer(
    # ...
    reward_funcs=wrapped_reward_functions,
    # ...
)
"""


class Script:
    """A script of the seed document; its snippets run in order and share their variables."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def run(self, *snippets: str) -> None:
        for snippet in snippets:
            exec(snippet, self.names)

    def events(self) -> list[dict[str, Any]]:
        """End the run and return the events that the script logged."""
        logflume.shutdown()
        pipeline_events = ("run_started", "run_finished", "pipeline")
        return [e for e in logflume.open_run("logs/latest") if e["event"] not in pipeline_events]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.chdir(tmp_path)
    path = Path("src/logging/config/gemma_logging_config.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(SEED_SAMPLE)
    return Script()


def select(event: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the named fields of an event, None for those that it lacks."""
    return {name: event.get(name) for name in names}


def test_messages_and_data(script: Script) -> None:
    """Messages, a model output and metrics become one event each, with their logger and type."""
    script.run(INITIALIZE, LOGGERS, MESSAGES_AND_DATA)
    start, warning, output, progress = script.events()

    text = "<reasoning>\n2+2=4\n</reasoning>\n<answer>\n4\n</answer>"
    assert ("message", "training", "info", "Starting training run") == tuple(
        select(start, "event", "logger", "level", "message").values()
    )
    assert ("warning", "Learning rate may be too high") == (warning["level"], warning["message"])
    assert {
        "event": "model_output",
        "logger": "model",
        "question": "What is 2+2?",
        "true_answer": "4",
        "model_output": text,
        "reasoning": "2+2=4",
        "answer": "4",
    }.items() <= output.items()
    assert {
        "event": "training",
        "logger": "training",
        "step": 100,
        "loss": 0.5,
        "accuracy": 85.2,
        "learning_rate": 5e-6,
    }.items() <= progress.items()


def test_resources(script: Script) -> None:
    """The memory usage becomes one `system` event."""
    script.run(INITIALIZE, RESOURCES)
    (event,) = script.events()

    assert ("system", "system") == (event["event"], event["logger"])
    assert 0 < event["process_memory_bytes"] < event["memory_total_bytes"]


def test_reward_metrics(script: Script) -> None:
    """The dictionary becomes a `reward` event with the statistics of each function."""
    script.run(INITIALIZE, REWARDS)
    (event,) = script.events()

    assert {
        "event": "reward",
        "logger": "reward",
        "step": 100,
        "rewards/correctness_reward_func": [2.0, 0.0, 2.0],
        "rewards/correctness_reward_func/mean": pytest.approx(4 / 3),
        "rewards/format_reward_func": [0.5, 0.5, 0.5],
        "rewards/format_reward_func/std": 0.0,
        "rewards/total": [2.5, 0.5, 2.5],
    }.items() <= event.items()


def test_both_ways_to_log_rewards_are_equivalent(script: Script) -> None:
    """`log.info("reward", …)` and `log_reward_metrics` log the same event."""
    script.run(INITIALIZE, REWARDS)
    logflume.get_reward_logger().bind(step=100).info("reward", **script.names["rewards_dict"])
    first, second = script.events()

    assert {**first, "seq": 0, "timestamp": ""} == {**second, "seq": 0, "timestamp": ""}


def test_wrapped_rewards(script: Script) -> None:
    """The wrapped functions return the values of the original functions and log them."""

    def correctness_reward_func(
        completions: list[str], answer: list[str], **_columns: Any
    ) -> list[float]:
        return [2.0 * (a in c) for c, a in zip(completions, answer, strict=True)]

    def format_reward_func(completions: list[str], **_columns: Any) -> list[float]:
        return [0.5 * ("<answer>" in c) for c in completions]

    class GRPOTrainer:
        def __init__(self, reward_funcs: list[Any]) -> None:
            self.reward_funcs = reward_funcs

    script.names |= {
        "REWARD_FUNCTIONS": [correctness_reward_func, format_reward_func],
        "GRPOTrainer": GRPOTrainer,
    }
    script.run(INITIALIZE, TRAINER)
    call = {
        "prompts": ["What is 2+2?"] * 2,
        "completions": ["<answer>4</answer>", "5"],
        "answer": ["4", "4"],
    }
    values = [function(**call) for function in script.names["trainer"].reward_funcs]
    events = script.events()

    assert [[2.0, 0.0], [0.5, 0.0]] == values
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert ([2.0, 0.0], [0.5, 0.0]) == (
        reward["rewards/correctness_reward_func"],
        reward["rewards/format_reward_func"],
    )
    outputs = [event for event in events if event["event"] == "model_output"]
    assert [("4", 2.5), (None, 0.0)] == [(e.get("answer"), e["rewards/total"]) for e in outputs]


def test_the_four_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shipped configuration `gemma`, the four outputs are at the seed document's paths."""
    monkeypatch.chdir(tmp_path)
    logflume.initialize("gemma")
    script = Script()
    script.run(LOGGERS, MESSAGES_AND_DATA, RESOURCES, REWARDS)
    logflume.shutdown()

    log = Path("logs/gemma_training.log").read_text()
    with Path("logs/gemma_outputs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    curves = EventAccumulator("logs/gemma_tensorboard").Reload()
    assert "Starting training run" in log
    assert "<reasoning>\n2+2=4\n</reasoning>\n<answer>\n4\n</answer>" == rows[0]["model_output"]
    assert {"train/loss", "rewards/correctness_reward_func/mean"} <= set(curves.Tags()["scalars"])
