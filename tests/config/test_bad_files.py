"""Invalid configuration files, components and run ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.config.load import load_config
from logflume.processors.flatten_rewards import FlattenRewards
from logflume.testing import MemorySink
from tests.config.errors import error_in_file, error_of


def test_a_missing_file() -> None:
    """The error lists the shipped configurations and suggests the most similar name."""
    assert [
        "gema: no such file or shipped configuration",
        "  allowed: a path, or one of debug, default, gemma, optimized",
        "  did you mean 'gemma'?",
    ] == error_of("gema").splitlines()


def test_a_missing_file_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file in LOGFLUME_CONFIG gives the same error."""
    monkeypatch.setenv("LOGFLUME_CONFIG", "nowhere/my.yaml")

    assert "nowhere/my.yaml: no such file" in error_of(None)


@pytest.mark.parametrize("text", ["", "\n\n", "# version: 1\n", "---\n"])
def test_an_empty_file(text: str) -> None:
    """A file without content is an error, because all events would be dropped silently."""
    assert "my.yaml: the file is empty, so no events would be written" == error_in_file(text)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("version: 1\nroot: {level: INFO\nloggers:\n", "line 3"),
        ("version: 1\n\troot: 5\n", "line 2"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("root: *nothing\n", "line 1"),
        ("root:\n  level: !!python/object:os.system {}\n", "line 2"),
        ("root: !!python/object/apply:os.system [exit]\n", "line 1"),
        ("root: !own 5\n", "line 1"),
        ("{[1, 2]: 3}: 4\n", "line 1"),
    ],
)
def test_invalid_yaml(text: str, source: str) -> None:
    """Invalid YAML and tags that would run code are rejected; the error names the line."""
    error = error_in_file(text)

    assert error.startswith("my.yaml: invalid YAML: ")
    assert source in error


def test_an_invalid_date() -> None:
    """PyYAML parses 2026-13-45 as a date and raises a ValueError, which is reported as well."""
    assert "my.yaml: invalid YAML: month must be in 1..12" == error_in_file("run: 2026-13-45")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"run: \xe4"])
def test_a_file_that_is_not_utf_8(content: bytes) -> None:
    """The error for a file that isn't UTF-8 names the file."""
    assert error_in_file(content).startswith("my.yaml: can't be read: 'utf-8' codec can't decode")


def test_a_folder_instead_of_a_file() -> None:
    """A folder is rejected like a missing file."""
    Path("folder").mkdir()

    assert error_of("folder").startswith("folder: no such file")


def test_errors_of_a_dict() -> None:
    """Errors in a dict start with `configuration`."""
    assert error_of({"buffer": {"sise": 1}}).startswith("configuration: buffer.sise: ")


@pytest.mark.parametrize(
    ("options", "variable", "source"),
    [({"level": "LOUD"}, None, "level"), ({}, "LOGFLUME_LEVEL", "LOGFLUME_LEVEL")],
)
def test_an_invalid_override(
    options: dict[str, str], variable: str | None, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error for an invalid level names the keyword or the environment variable."""
    if variable:
        monkeypatch.setenv(variable, "LOUD")

    assert error_of({}, **options).startswith(f"{source}: invalid value 'LOUD'")


@pytest.mark.parametrize("run", ["a/b", "..", "", " ", "-x", "a" * 129, "ä", "a\n"])
def test_invalid_run_ids(run: str) -> None:
    """A run id is the name of a folder; one that could lead elsewhere is rejected."""
    if run:
        assert f"run: {run!r} is not a valid run id" in error_of({}, run=run)
    else:
        assert load_config({"run": "kept"}, run=run).run == "kept"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"sinks": {"s": MemorySink}},
            "configuration: sinks.s: expected an object, found its class: write MemorySink()",
        ),
        (
            {"processors": [FlattenRewards]},
            "configuration: processors[0]: expected an object, found its class: "
            "write FlattenRewards()",
        ),
    ],
)
def test_a_class_instead_of_an_object(config: dict[str, Any], expected: str) -> None:
    """The error for a class suggests the call that creates an object."""
    assert expected == error_of(config)


def test_an_object_that_is_not_a_sink() -> None:
    """An object without the methods of a sink is rejected."""

    class WithoutFlush:
        write = close = print

    for given, lacks in (
        (object(), "`write` and no `flush` and no `close`"),
        (WithoutFlush(), "`flush`"),
    ):
        expected = (
            f"configuration: sinks.s: an object of the class {type(given).__name__} is not a sink: "
            f"it has no {lacks}. A sink has the methods write, flush, close"
        )
        assert expected == error_of({"sinks": {"s": given}})


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ({"run": 3}, "run: expected a string, found 3"),
        ({"dir": 3}, "dir: expected a path, found 3"),
        ({"config": 3}, "config: expected a path, a name, or a dict, found 3"),
    ],
)
def test_arguments_of_initialize(argument: dict[str, Any], expected: str) -> None:
    """An argument of another type is an error that says what is expected."""
    with pytest.raises(logflume.ConfigError, match=expected):
        logflume.initialize(**argument)


def test_options_that_a_component_rejects() -> None:
    """A ValueError of the component becomes a ConfigError that names the component."""
    error = error_of(
        {"root": {"sinks": ["jsonl"]}, "sinks": {"jsonl": {"path": "x", "rotate_bytes": 0}}}
    )

    assert "sinks.jsonl: rotate_bytes must be above 0, not 0" in error


def test_an_unwritable_path() -> None:
    """A path that can't be opened is a RunError that names the sink."""
    config = {"root": {"sinks": ["jsonl"]}, "sinks": {"jsonl": {"path": "/proc/events.jsonl"}}}

    with pytest.raises(logflume.RunError, match=r"sinks\.jsonl: can't be opened: "):
        logflume.initialize(config, dir="elsewhere")


def test_a_foreign_csv_file() -> None:
    """A CSV file that logflume didn't write is not modified."""
    Path("out.csv").write_text("question,answer\n1,2")
    config = {"root": {"sinks": ["csv"]}, "sinks": {"csv": {"path": "out.csv"}}}

    assert "out.csv was not written by logflume" in error_of(config)
    assert "question,answer\n1,2" == Path("out.csv").read_text()


def test_annotations_that_can_not_be_resolved() -> None:
    """If annotations only exist for type checkers, options are passed unconverted."""
    logflume.initialize(
        {
            "root": {"sinks": ["s"]},
            "sinks": {"s": {"type": f"{__name__}:UnresolvableSink", "size": "5", "path": "x"}},
        }
    )

    assert ("5", str(Path("x").absolute())) == UnresolvableSink.opened


class UnresolvableSink(MemorySink):
    """A sink with an annotation that only type checkers can resolve."""

    opened: Any = None

    def __init__(self, size: NoSuchType, path: str | Path) -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__()
        UnresolvableSink.opened = (size, path)
