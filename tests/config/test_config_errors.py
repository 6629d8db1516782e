"""Errors of the configuration: location, problem, allowed values and suggestion."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from tests.config.errors import error_in_file, error_of

COMMON = "type, level, events, ranks, queue"


def registered(group: str) -> str:
    """Return the allowed names: those of the group, and the form for unregistered components."""
    names = {entry.name for entry in entry_points(group=f"logflume.{group}")} - {"threaded"}
    return f"{', '.join(sorted(names))}, or 'package.module:Name'"


LEVELS = "DEBUG, INFO, WARNING, ERROR, CRITICAL"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "buffer: {sise: 5}",
            [
                "my.yaml: buffer.sise: unknown key",
                "  allowed: size, max_bytes, when_full, block_timeout_s, flush_interval_s",
                "  did you mean 'size'?",
            ],
        ),
        (
            "bufer: {}",
            [
                "my.yaml: bufer: unknown key",
                "  allowed: version, dir, run, when_claimed, shutdown_timeout_s, worker, buffer, "
                "root, loggers, caller_processors, processors, sinks, metrics, stdlib",
                "  did you mean 'buffer'?",
            ],
        ),
        ("buffer: {size: many}", ["my.yaml: buffer.size: expected an integer, found 'many'"]),
        ("buffer: {size: 0}", ["my.yaml: buffer.size: expected an integer >= 1, found 0"]),
        (
            "buffer: {flush_interval_s: .inf}",
            ["my.yaml: buffer.flush_interval_s: expected a number <= 86400.0, found inf"],
        ),
        (
            "buffer: {when_full: blok}",
            [
                "my.yaml: buffer.when_full: invalid value 'blok'",
                "  allowed: block, drop_newest, drop_oldest",
                "  did you mean 'block'?",
            ],
        ),
        (
            "loggers: {training: {level: LOUD}}",
            [
                "my.yaml: loggers.training.level: invalid value 'LOUD'",
                f"  allowed: {LEVELS}",
            ],
        ),
        (
            "root: {level: off}",
            ["my.yaml: root.level: invalid value False", f"  allowed: {LEVELS}"],
        ),
        ("version: 2", ["my.yaml: version: invalid value 2", "  allowed: 1"]),
        ("run: 5", ["my.yaml: run: expected a string, found 5"]),
        ("root: [console]", ["my.yaml: root: expected a mapping (key: value), found ['console']"]),
        ("- a", ["my.yaml: expected a mapping (key: value), found ['a']"]),
        (
            "root: {sinks: console}",
            ["my.yaml: root.sinks: expected a list, found 'console'"],
        ),
        (
            "{root: {sinks: [jsnol]}, sinks: {jsonl: {path: x}}}",
            [
                "my.yaml: root.sinks: there is no sink named 'jsnol'",
                "  allowed: jsonl",
                "  did you mean 'jsonl'?",
            ],
        ),
        (
            "{loggers: {model: {sinks: [csv]}}}",
            [
                "my.yaml: loggers.model.sinks: there is no sink named 'csv'",
                "  allowed: none: the section `sinks` is empty",
            ],
        ),
        (
            "sinks: {out: {type: parqet, path: x}}",
            [
                "my.yaml: sinks.out.type: no component is registered as 'parqet'",
                f"  allowed: {registered('sinks')}",
                "  did you mean 'parquet'?",
            ],
        ),
        (
            "sinks: {out: {typ: parquet, path: x}}",
            [
                "my.yaml: sinks.out.typ: unknown key",
                f"  allowed: {COMMON}",
                "  did you mean 'type'?",
            ],
        ),
        (
            "sinks: {out: {kind: parquet, path: x}}",
            [
                "my.yaml: sinks.out: it has no key 'type', and no component is registered as 'out'",
                "  allowed: console, csv, jsonl, parquet, tensorboard",
            ],
        ),
        (
            "processors: [{type: flatten_rewards, num_generations: 8}]",
            [
                "my.yaml: processors[0]: expected a name, or one name with its options, found "
                "{'type': 'flatten_rewards', 'num_generations': 8}. "
                "Write: - flatten_rewards: {num_generations: 8}"
            ],
        ),
        (
            "sinks: {jsonl: {path: x, rotate_byte: 5}}",
            [
                "my.yaml: sinks.jsonl.rotate_byte: unknown option",
                "  allowed: path, rotate_bytes, fsync_interval_s, " + COMMON,
                "  did you mean 'rotate_bytes'?",
            ],
        ),
        (
            "sinks: {jsonl: {path: x, levl: INFO}}",
            [
                "my.yaml: sinks.jsonl.levl: unknown option",
                "  allowed: path, rotate_bytes, fsync_interval_s, " + COMMON,
                "  did you mean 'level'?",
            ],
        ),
        (
            "sinks: {jsonl: {path: x, rotate_bytes: 1 GB}}",
            ["my.yaml: sinks.jsonl.rotate_bytes: expected an integer, found '1 GB'"],
        ),
        (
            "sinks: {jsonl: }",
            [
                "my.yaml: sinks.jsonl: missing option 'path'",
                "  allowed: path, rotate_bytes, fsync_interval_s",
            ],
        ),
        (
            "sinks: {jsonl: {path: 5}}",
            ["my.yaml: sinks.jsonl.path: expected a path, found 5"],
        ),
        (
            "sinks: {jsonl: {path: '{dir}/{runn}/x'}}",
            [
                "my.yaml: sinks.jsonl.path: unknown placeholder {runn}",
                "  allowed: {dir}, {run}, {rank}",
                "  did you mean '{run}'?",
            ],
        ),
        (
            "sinks: {jsonl: {path: x, queue: {sise: 1}}}",
            [
                "my.yaml: sinks.jsonl.queue.sise: unknown key",
                "  allowed: size, when_full",
                "  did you mean 'size'?",
            ],
        ),
        (
            "sinks: {jsonl: {path: x, level: 5}}",
            ["my.yaml: sinks.jsonl.level: invalid value 5", f"  allowed: {LEVELS}"],
        ),
        ("sinks: {jsonl: 5}", ["my.yaml: sinks.jsonl: expected a mapping (key: value), found 5"]),
        (
            "processors: [tag_steps]",
            [
                "my.yaml: processors[0]: no component is registered as 'tag_steps'",
                f"  allowed: {registered('processors')}",
                "  did you mean 'tag_step'?",
            ],
        ),
        (
            "processors: [tag_step, flatten_rewards: {generations: 8}]",
            [
                "my.yaml: processors[1].flatten_rewards.generations: unknown option",
                "  allowed: num_generations",
                "  did you mean 'num_generations'?",
            ],
        ),
        (
            "processors: [flatten_rewards: 8]",
            ["my.yaml: processors[0].flatten_rewards: expected options (key: value), found 8"],
        ),
        (
            "processors: [tag_step: {step: 1}]",
            ["my.yaml: processors[0].tag_step: this processor is a function and takes no options"],
        ),
        (
            "processors: [5]",
            [
                "my.yaml: processors[0]: expected a name, or one name with its options, found 5",
            ],
        ),
        (
            "processors: ['no.such:Thing']",
            [
                "my.yaml: processors[0]: 'no.such:Thing' can't be imported: No module named 'no'",
            ],
        ),
        (
            "processors: ['math:tau']",
            [
                "my.yaml: processors[0]: 'math:tau' is neither a class nor a function; "
                "its type is float"
            ],
        ),
    ],
)
def test_messages(text: str, lines: list[str]) -> None:
    """The message has the location, the problem, the allowed values and a suggestion."""
    assert lines == error_in_file(text).splitlines()


@pytest.mark.parametrize(
    "name", [":x", "..:x", "math:", "json.:x", "a:b;c", " math:tau", "a.b/c:d"]
)
def test_a_name_of_another_form(name: str) -> None:
    """What isn't of the form `package.module:Name` is not imported."""
    assert f"{name!r} is not of the form" in error_of({"processors": [name]})


def test_an_error_has_no_value() -> None:
    """The message about `os:environ` has its type only: the environment has secrets."""
    error = error_of({"processors": ["os:environ"]})

    assert "its type is _Environ" in error
    assert "PATH" not in error


@pytest.mark.parametrize("name", ["math:no", "no.such:Thing"])
def test_a_component_that_can_not_be_imported(name: str) -> None:
    """Any failure to import `package.module:Name` is a ConfigError."""
    assert f"processors[0]: {name!r} can't be imported" in error_of({"processors": [name]})


def test_a_class_that_is_no_processor() -> None:
    """A detector, or another class whose objects can't be called, says what it is."""
    detector = "logflume.diagnosis.policy_signals:EntropyCollapse"
    error = error_of({"processors": [detector]})
    assert f"processors[0]: {detector!r} is a detector, which can't be configured" in error
    error = error_of({"processors": ["collections:Counter"]})
    assert "the class has no method __call__(logger, method_name, event_dict)" in error
