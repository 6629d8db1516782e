"""Valid configurations: shipped ones, defaults, overrides, objects, anchors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import logflume
from logflume.config.load import load_config, shipped_configs
from logflume.config.model import Config
from logflume.testing import MemorySink
from tests.event_helpers import own

JSONL = {"path": "{dir}/{run}/events.jsonl"}


def write(text: str) -> str:
    """Write a configuration to a file and return its path."""
    Path("my.yaml").write_text(text)
    return "my.yaml"


def double(_log: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Double `x`; a processor that isn't registered."""
    return {**event, "x": event["x"] * 2} if "x" in event else event


class OwnSink(MemorySink):
    """A sink that isn't registered, with several kinds of options."""

    opened: dict[str, Any] = {}

    def __init__(self, path: Path | str, *, size: int = 1, run: Any = None, **options: Any) -> None:
        super().__init__()
        OwnSink.opened = {"path": path, "size": size, "run": run.run, **options}


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_shipped_configurations(name: str, tmp_path: Path) -> None:
    """Every shipped configuration builds its pipeline and writes the journal."""
    run = logflume.initialize(name)
    logflume.get_training_logger().info("training", loss=0.5, step=10)
    logflume.log_model_output("1 + 1?", "2", "<answer>2</answer>", answer="2", step=10)
    logflume.log_reward_metrics(10, {"correctness": [2.0, None]})
    logflume.get_system_logger().warning("heat", n=1)

    assert logflume.shutdown()
    types = logflume.open_run(run.folder).types()
    assert {"training": 1, "model_output": 1, "reward": 1, "heat": 1}.items() <= types.items()
    report = logflume.report()
    assert report is not None
    assert {(0, 0)} == {(sink["dropped"], sink["failed"]) for sink in report.sinks.values()}
    assert tmp_path / "logs" / run.run == run.folder.absolute()


def test_the_default_writes_all_five_outputs() -> None:
    """`initialize()` without arguments writes journal, text log, CSV, Parquet and TensorBoard."""
    run = logflume.initialize()
    logflume.log_model_output("1 + 1?", "2", "2", step=1)
    logflume.log_training_progress(1, {"loss": 0.5})
    logflume.shutdown()

    names = {path.name for path in run.folder.iterdir()}
    assert {"events.jsonl", "training.log", "model_outputs.csv", "parquet", "tensorboard"} <= names


def test_defaults() -> None:
    """An empty configuration has the documented values."""
    config = load_config({})

    assert Config() == config
    assert ("logs", None, "INFO") == (config.dir, config.run, config.root.level)
    assert {
        "size": 65_536,
        "when_full": "block",
        "block_timeout_s": 1.0,
        "flush_interval_s": 0.05,
        "max_bytes": 256_000_000,
    } == msgspec.structs.asdict(config.buffer)


def test_null_sections_are_empty() -> None:
    """A section whose entries are all commented out is an empty section."""
    keys = ["buffer", "root", "loggers", "processors", "sinks", "metrics", "stdlib"]
    source = write("version: 1\n" + "".join(f"{key}:\n" for key in keys))

    assert Config() == load_config(source)
    assert ["console"] == list(load_config({"sinks": {"console": None}}).sinks)
    assert [] == load_config({"stdlib": {"loggers": None}}).stdlib.loggers  # type: ignore[union-attr]


def test_precedence_of_overrides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keywords override environment variables, which override the file: run, dir and level."""
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


def test_the_configuration_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOGFLUME_CONFIG, a file or the name of a shipped configuration, is the default."""
    monkeypatch.setenv("LOGFLUME_CONFIG", write("dir: elsewhere"))
    from_file = load_config()
    monkeypatch.setenv("LOGFLUME_CONFIG", "debug")

    assert "elsewhere" == from_file.dir
    assert "DEBUG" == load_config().root.level
    assert "elsewhere" == load_config("my.yaml").dir


def test_the_level_of_the_root_is_inherited() -> None:
    """A logger without a level has that of the root, including an override."""
    source = {
        "root": {"level": "WARNING"},
        "loggers": {"model": {"sinks": []}, "system": None, "training": {"level": "error"}},
    }
    levels = {name: logger.level for name, logger in load_config(source).loggers.items()}
    overridden = load_config(source, level="DEBUG").loggers

    assert {"model": "WARNING", "system": "WARNING", "training": "ERROR"} == levels
    assert ["DEBUG", "DEBUG", "ERROR"] == [logger.level for logger in overridden.values()]


@pytest.mark.parametrize("name", ["default", "gemma", "optimized"])
def test_the_level_override_reaches_every_logger(name: str) -> None:
    """With `initialize(level="DEBUG")`, all loggers log their debug messages."""
    run = logflume.initialize(name, level="DEBUG")
    loggers = ["training", "model", "reward", "system", "metrics", "my.own"]
    for logger in loggers:
        logflume.get_logger(logger).debug("probe", n=1)
    logflume.shutdown()

    assert len(loggers) == logflume.open_run(run.folder).types()["probe"]


def test_objects_in_a_dict() -> None:
    """Sinks and processors may be objects, mixed with names with and without options."""
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
    """`package.module:Name` refers to a component that isn't registered; it gets its options."""
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

    path = str(Path("logs/x").absolute())
    assert {"path": path, "size": 3, "run": "r", "colour": "red"} == OwnSink.opened
    assert [4.0] == [e["x"] for e in logflume.open_run("logs/r") if e["event"] == "probe"]


def test_anchors() -> None:
    """Anchors and merge keys of YAML work."""
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
    """The event types of a CSV sink determine its header and its rows."""
    logflume.initialize(
        {
            "root": {"sinks": ["csv"]},
            "sinks": {"csv": {"path": "out.csv", "events": ["model_output"]}},
        }
    )
    logflume.log_model_output("q", "a", "text")
    logflume.get_logger().info("probe", n=1)
    logflume.shutdown()
    header, row = (tmp_path / "out.csv").read_text().splitlines()

    assert ",question,true_answer,model_output,messages,reasoning,answer," in header
    assert "model_output" in row


def test_initialize_again_closes_the_first_run() -> None:
    """A second `initialize()` starts a new run, after closing the sinks of the first."""
    first, second = MemorySink(), MemorySink()
    for sink in (first, second):
        logflume.initialize({"root": {"sinks": ["s"]}, "sinks": {"s": sink}})
        logflume.get_logger().info("probe", n=1)

    assert first.is_closed
    assert not second.is_closed
    assert 1 == len(own(first.events))


def test_an_invalid_configuration_keeps_the_current_one() -> None:
    """An error in `initialize()` doesn't affect the current run."""
    sink = MemorySink()
    logflume.initialize({"root": {"sinks": ["s"]}, "sinks": {"s": sink}})
    with pytest.raises(logflume.ConfigError):
        logflume.initialize({"sinks": {"s": {"type": "nothing"}}})
    logflume.get_logger().info("probe", n=1)
    logflume.shutdown()

    assert 1 == len(own(sink.events))
