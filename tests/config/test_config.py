"""Configurations that work: the shipped ones, defaults, overrides, objects, anchors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import logflume
from logflume.config.load import load_config, shipped_configs
from logflume.config.model import Config
from logflume.testing import MemorySink
from tests.own_events import own

JSONL = {"path": "{dir}/{run}/events.jsonl"}


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> str:
    """Write a configuration to a file and return its path."""
    Path("my.yaml").write_text(text)
    return "my.yaml"


def double(_log: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Double `x`: a processor that isn't registered."""
    return {**event, "x": event["x"] * 2} if "x" in event else event


class OwnSink(MemorySink):
    """A sink that isn't registered, with options of all sorts."""

    opened: dict[str, Any] = {}

    def __init__(self, path: Path | str, *, size: int = 1, run: Any = None, **more: Any) -> None:
        super().__init__()
        OwnSink.opened = {"path": path, "size": size, "run": run.run, **more}


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_shipped_configurations_log(name: str, tmp_path: Path) -> None:
    """Every configuration that comes with logflume builds its pipeline and writes its journal."""
    run = logflume.initialize(name)
    logflume.get_training_logger().info("training", loss=0.5, step=10)
    logflume.log_model_output("1 + 1?", "2", "<answer>2</answer>", answer="2", step=10)
    logflume.log_reward_metrics(10, {"correctness": [2.0, None]})
    logflume.get_system_logger().warning("heat")

    assert logflume.shutdown()
    types = logflume.open_run(run.folder).types()
    assert {"training": 1, "model_output": 1, "reward": 1, "heat": 1}.items() <= types.items()
    report = logflume.report()
    assert report is not None
    assert {(0, 0)} == {(sink["dropped"], sink["failed"]) for sink in report.sinks.values()}
    assert tmp_path / "logs" / run.run == run.folder.absolute()


def test_the_default_writes_all_five_outputs() -> None:
    """`initialize()` with nothing gives journal, text log, CSV, Parquet and TensorBoard."""
    run = logflume.initialize()
    logflume.log_model_output("1 + 1?", "2", "2", step=1)
    logflume.log_training_progress(1, {"loss": 0.5})
    logflume.shutdown()

    names = {path.name for path in run.folder.iterdir()}
    assert {"events.jsonl", "training.log", "model_outputs.csv", "parquet", "tensorboard"} <= names


def test_defaults() -> None:
    """A configuration that says nothing has the documented values."""
    config = load_config({})

    assert Config() == config
    assert ("logs", None, "INFO") == (config.dir, config.run, config.root.level)
    assert {
        "size": 65_536,
        "when_full": "block",
        "block_timeout_s": 1.0,
        "flush_interval_s": 0.05,
    } == msgspec.structs.asdict(config.buffer)


def test_null_sections_are_empty() -> None:
    """A section whose entries are all commented out is an empty one."""
    keys = ["buffer", "root", "loggers", "processors", "sinks", "metrics", "stdlib"]
    source = write("version: 1\n" + "".join(f"{key}:\n" for key in keys))

    assert Config() == load_config(source)
    assert ["console"] == list(load_config({"sinks": {"console": None}}).sinks)
    assert [] == load_config({"stdlib": {"loggers": None}}).stdlib.loggers  # type: ignore[union-attr]


def test_keywords_come_before_the_environment_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`initialize(run=…)` wins over LOGFLUME_RUN, which wins over `run:`; so for `dir`, `level`."""
    source = write("{dir: file, run: file, root: {level: ERROR}}")
    in_file = load_config(source)
    for name, value in {"RUN": "env", "DIR": "env", "LEVEL": "debug"}.items():
        monkeypatch.setenv(f"LOGFLUME_{name}", value)
    in_environment = load_config(source)
    keywords = load_config(source, run="key", dir=Path("key"), level="warning")

    assert [("file", "file", "ERROR"), ("env", "env", "DEBUG"), ("key", "key", "WARNING")] == [
        (config.run, config.dir, config.root.level)
        for config in (in_file, in_environment, keywords)
    ]


def test_the_environment_names_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOGFLUME_CONFIG is taken where none is given, a file or the name of a shipped one."""
    monkeypatch.setenv("LOGFLUME_CONFIG", write("dir: elsewhere"))
    from_file = load_config()
    monkeypatch.setenv("LOGFLUME_CONFIG", "debug")

    assert "elsewhere" == from_file.dir
    assert "DEBUG" == load_config().root.level
    assert "elsewhere" == load_config("my.yaml").dir


def test_a_logger_without_a_level_has_the_roots() -> None:
    """`level` is the root's where a logger has none, an override included."""
    source = {
        "root": {"level": "WARNING"},
        "loggers": {"model": {"sinks": []}, "system": None, "training": {"level": "error"}},
    }
    levels = {name: logger.level for name, logger in load_config(source).loggers.items()}
    overridden = load_config(source, level="DEBUG").loggers

    assert {"model": "WARNING", "system": "WARNING", "training": "ERROR"} == levels
    assert ["DEBUG", "DEBUG", "ERROR"] == [logger.level for logger in overridden.values()]


@pytest.mark.parametrize("name", ["default", "gemma", "optimized"])
def test_a_level_given_reaches_every_logger(name: str) -> None:
    """`initialize(level="DEBUG")` lets the debug messages of all loggers through."""
    run = logflume.initialize(name, level="DEBUG")
    loggers = ["training", "model", "reward", "system", "metrics", "my.own"]
    for logger in loggers:
        logflume.get_logger(logger).debug("probe")
    logflume.shutdown()

    assert len(loggers) == logflume.open_run(run.folder).types()["probe"]


def test_objects_in_a_dict() -> None:
    """Sinks and processors may be given as objects, beside names with and without options."""
    sink = MemorySink()
    logflume.initialize(
        {
            "root": {"sinks": ["mine"]},
            "processors": ["tag_step", double, {"flatten_rewards": {"num_generations": 2}}],
            "sinks": {"mine": sink},
        }
    )
    logflume.get_logger().info("probe", x=2)
    logflume.get_logger().info("reward", a=[1, 1])
    logflume.shutdown()
    probe, reward = own(sink.events)

    assert (4.0, 1.0) == (probe["x"], reward["rewards/a/frac_zero_std"])
    assert sink.is_closed


def test_components_by_module_and_name() -> None:
    """`package.module:Name` stands for a component that isn't registered; it gets its options."""
    here = __name__
    logflume.initialize(
        {
            "root": {"sinks": ["mine", "jsonl"]},
            "processors": [f"{here}:double"],
            "sinks": {
                "mine": {"type": f"{here}:OwnSink", "path": "{dir}/x", "size": 3, "colour": "red"},
                "jsonl": JSONL,
            },
        },
        run="r",
    )
    logflume.get_logger().info("probe", x=2)
    logflume.shutdown()

    assert {"path": "logs/x", "size": 3, "run": "r", "colour": "red"} == OwnSink.opened
    assert [4.0] == [e["x"] for e in logflume.open_run("logs/r") if e["event"] == "probe"]


def test_anchors() -> None:
    """YAML's anchors and merges are understood."""
    config = load_config(
        write(
            "root: &all {level: INFO, sinks: [jsonl]}\n"
            "loggers: {model: {<<: *all, level: ERROR}, training: *all}\n"
            'sinks: {jsonl: {path: "{dir}/events.jsonl"}}\n'
        )
    )

    assert [("ERROR", ["jsonl"]), ("INFO", ["jsonl"])] == [
        (logger.level, logger.sinks) for logger in config.loggers.values()
    ]


def test_columns_of_a_csv(tmp_path: Path) -> None:
    """The types that a CSV sink takes choose its header, and nothing else gets in."""
    logflume.initialize(
        {
            "root": {"sinks": ["csv"]},
            "sinks": {"csv": {"path": "out.csv", "events": ["model_output"]}},
        }
    )
    logflume.log_model_output("q", "a", "text")
    logflume.get_logger().info("probe")
    logflume.shutdown()
    header, row = (tmp_path / "out.csv").read_text().splitlines()

    assert ",question,true_answer,model_output,reasoning,answer," in header
    assert "model_output" in row


def test_calling_it_again_closes_the_first() -> None:
    """A second `initialize()` is a new run; the first one's sinks are closed by then."""
    first, second = MemorySink(), MemorySink()
    for sink in (first, second):
        logflume.initialize({"root": {"sinks": ["s"]}, "sinks": {"s": sink}})
        logflume.get_logger().info("probe")

    assert first.is_closed
    assert not second.is_closed
    assert 1 == len(own(first.events))


def test_a_wrong_configuration_leaves_the_running_one_alone() -> None:
    """An error in `initialize()` doesn't stop what is being logged."""
    sink = MemorySink()
    logflume.initialize({"root": {"sinks": ["s"]}, "sinks": {"s": sink}})
    with pytest.raises(logflume.ConfigError):
        logflume.initialize({"sinks": {"s": {"type": "nothing"}}})
    logflume.get_logger().info("probe")
    logflume.shutdown()

    assert 1 == len(own(sink.events))
