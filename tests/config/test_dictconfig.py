"""Configurations in the format of `logging.config.dictConfig`, such as the seed document's."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import logflume
from logflume.config.load import load_config
from logflume.config.model import Config

SEED_SAMPLE = """\
# src/logging/config/gemma_logging_config.yaml
version: 1
disable_existing_loggers: false

root:
  level: INFO
  handlers: [console]

loggers:
  logging.training:
    level: INFO
    handlers: [console, file, tensorboard]
    propagate: false
  
  # ... other loggers ...

handlers:
  console:
    class: logging.StreamHandler
    formatter: standard
    level: INFO
    
  # ... other handlers ...

# Model evaluation metrics configuration
metrics:
  logging_frequency: 5
  validation_frequency: 250
  # ... additional settings ...
"""  # noqa: W293 - as printed in the seed document

FULL = """\
version: 1
disable_existing_loggers: true
formatters:
  standard: {format: "%(asctime)s %(message)s"}
filters: {quiet: {name: x}}
handlers:
  terminal: {class: logging.StreamHandler, stream: ext://sys.stdout, formatter: standard}
  plain: {class: logging.FileHandler, filename: out/plain.log, level: WARN, filters: [quiet]}
  rotated: {class: logging.handlers.RotatingFileHandler, filename: out/r.log, maxBytes: 100}
  timed: {class: logging.handlers.TimedRotatingFileHandler, filename: out/t.log, when: D}
  outputs: {class: src.logging.handlers.CSVHandler, filename: out/o.csv, buffer_size: 100}
  board: {class: src.logging.handlers.TensorBoardHandler, log_dir: out/board, level: NOTSET}
  record: {class: own.JSONLHandler, path: out/events.jsonl}
  tables: {class: own.ParquetHandler, directory: out/tables}
root: {level: 20, handlers: [terminal, plain]}
loggers:
  logging.model: {level: DEBUG, handlers: [outputs, tables], propagate: false}
  logging.training: {handlers: [rotated, timed, board, record]}
  quiet: {level: FATAL, handlers: [], propagate: no}
  logging.reward:
"""


def load(text: str) -> Config:
    """Load a configuration from YAML."""
    Path("my.yaml").write_text(text)
    return load_config("my.yaml")


def error_of(text: str) -> list[str]:
    """Return the lines of the error for a configuration."""
    with pytest.raises(logflume.ConfigError) as raised:
        load(text)
    return str(raised.value).splitlines()


def test_the_sample_of_the_seed_document(capfd: pytest.CaptureFixture[str]) -> None:
    """The sample, as printed, writes the text log and TensorBoard folder of the document."""
    path = Path("src/logging/config/gemma_logging_config.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(SEED_SAMPLE)
    run = logflume.initialize("src/logging/config/gemma_logging_config.yaml")
    logflume.get_training_logger().info("Starting training run")
    logflume.log_training_progress(100, {"loss": 0.5, "accuracy": 85.2, "learning_rate": 5e-6})
    logflume.log_reward_metrics(100, {"correctness_reward_func": [2.0, 0.0, 2.0]})
    assert logflume.shutdown()

    log = Path("logs/gemma_training.log").read_text()
    curves = EventAccumulator("logs/gemma_tensorboard").Reload()
    assert "Starting training run" in log
    assert "accuracy=85.2" in log
    assert "reward" not in log
    assert 0.5 == curves.Scalars("train/loss")[0].value
    assert 100 == curves.Scalars("train/accuracy")[0].step
    assert "corr 1.33" in capfd.readouterr().err
    types = logflume.open_run(run.folder).types()
    assert {"message": 1, "training": 1, "reward": 1}.items() <= types.items()


def test_default_handlers() -> None:
    """Handlers that the sample doesn't define have the paths of the seed document."""
    config = load("root: {handlers: [console, file, csv, tensorboard, parquet]}\nhandlers:\n")
    paths = {name: sink.options.get("path") for name, sink in config.sinks.items()}

    assert {
        "jsonl": "{dir}/{run}/events.jsonl",
        "console": None,
        "file": "{dir}/gemma_training.log",
        "csv": "{dir}/gemma_outputs.csv",
        "tensorboard": "{dir}/gemma_tensorboard",
        "parquet": "{dir}/{run}/parquet",
    } == paths


def test_handler_classes() -> None:
    """Each handler class is translated to a sink with its path, level and queue."""
    sinks = load(FULL).sinks

    assert {
        "jsonl": ("jsonl", "{dir}/{run}/events.jsonl", "DEBUG"),
        "terminal": ("console", None, "DEBUG"),
        "plain": ("console", "out/plain.log", "WARNING"),
        "rotated": ("console", "out/r.log", "DEBUG"),
        "timed": ("console", "out/t.log", "DEBUG"),
        "outputs": ("csv", "out/o.csv", "DEBUG"),
        "board": ("tensorboard", "out/board", "DEBUG"),
        "record": ("jsonl", "out/events.jsonl", "DEBUG"),
        "tables": ("parquet", "out/tables", "DEBUG"),
    } == {name: (s.type, s.options.get("path"), s.level) for name, s in sinks.items()}
    assert 100 == getattr(sinks["outputs"].queue, "size", None)


def test_loggers() -> None:
    """A logger has its handlers, those of the root unless `propagate` is false, and the journal."""
    config = load(FULL)

    assert ("INFO", ["jsonl", "terminal", "plain"]) == (config.root.level, config.root.sinks)
    assert {
        "model": ("DEBUG", ["jsonl", "outputs", "tables"]),
        "training": (
            "INFO",
            ["jsonl", "rotated", "timed", "board", "record", "terminal", "plain"],
        ),
        "quiet": ("CRITICAL", ["jsonl"]),
        "reward": ("INFO", ["jsonl", "terminal", "plain"]),
    } == {name: (logger.level, logger.sinks) for name, logger in config.loggers.items()}


def test_complete_configuration() -> None:
    """A configuration with all handler classes writes every file."""
    logflume.initialize(yaml.safe_load(FULL))
    logflume.get_training_logger().warning("training", loss=0.5, step=5)
    logflume.log_model_output("q", "a", "text", step=5)
    logflume.get_logger("other").info("not in plain.log")
    assert logflume.shutdown()

    assert {"plain.log", "r.log", "t.log", "o.csv", "board", "events.jsonl", "tables"} == {
        path.name for path in Path("out").iterdir()
    }
    with Path("out/o.csv").open(newline="") as file:
        assert ["text"] == [row["model_output"] for row in csv.DictReader(file)]
    assert 1 == len(Path("out/plain.log").read_text().splitlines())


def test_metrics_section() -> None:
    """With `metrics.logging_frequency`, training metrics are means over as many steps."""
    run = logflume.initialize(yaml.safe_load(SEED_SAMPLE))
    for step in range(1, 11):
        logflume.log_training_progress(step, {"loss": float(step)})
    logflume.shutdown()
    table = logflume.open_run(run.folder).events("training").to_pydict()

    assert ([5, 10], [3.0, 8.0]) == (table["step"], table["loss"])


def test_keys_of_logflume_are_kept() -> None:
    """Keys of logflume can be combined with those of dictConfig: processors, sinks, buffer."""
    config = load(
        "{handlers: {console: {class: logging.StreamHandler}}, root: {handlers: [console, more]},"
        " processors: [tag_step], sinks: {more: {type: jsonl, path: x}}, buffer: {size: 7}}"
    )

    assert (["tag_step"], 7) == (config.processors, config.buffer.size)
    assert ["jsonl", "console", "more"] == config.root.sinks == list(config.sinks)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "handlers: {c: {class: logging.StreamHandlr}}",
            [
                "my.yaml: handlers.c.class: no sink corresponds to class 'StreamHandlr'",
                "  allowed: StreamHandler, FileHandler, RotatingFileHandler, "
                "TimedRotatingFileHandler, CSVHandler, TensorBoardHandler, JSONLHandler, "
                "JsonlHandler, ParquetHandler",
                "  did you mean 'StreamHandler'?",
            ],
        ),
        (
            "{handlers: , root: {handlers: [consol]}}",
            [
                "my.yaml: root.handlers: there is no handler named 'consol'",
                "  allowed: console, csv, file, jsonl, parquet, tensorboard",
                "  did you mean 'console'?",
            ],
        ),
        (
            "{handlers: , loggers: {a: {handlrs: [console]}}}",
            [
                "my.yaml: loggers.a.handlrs: unknown key",
                "  allowed: level, handlers, propagate, filters",
                "  did you mean 'handlers'?",
            ],
        ),
        (
            "{handlers: , root: {handlers: console}}",
            ["my.yaml: root.handlers: expected a list, found 'console'"],
        ),
        (
            "handlers: {f: {class: logging.FileHandler}}",
            ["my.yaml: handlers.f: a file handler requires 'filename'"],
        ),
        (
            "handlers: {c: {class: logging.StreamHandler, level: LOUD}}",
            [
                "my.yaml: handlers.c.level: invalid value 'LOUD'",
                "  allowed: DEBUG, INFO, WARNING, ERROR, CRITICAL",
            ],
        ),
        (
            "handlers: [console]",
            ["my.yaml: handlers: expected a mapping (key: value), found ['console']"],
        ),
    ],
)
def test_errors(text: str, lines: list[str]) -> None:
    """Errors refer to the keys of dictConfig in the file, and list the allowed values."""
    assert lines == error_of(text)
