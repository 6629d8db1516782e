"""Files that are no configuration, objects that are no components, run ids that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.config.load import load_config
from logflume.processors.flatten_rewards import FlattenRewards
from logflume.testing import MemorySink


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def error_of(source: Any, **options: Any) -> str:
    """Return the text of the error that `initialize()` raises; nothing may have been written."""
    with pytest.raises(logflume.ConfigError) as raised:
        logflume.initialize(source, **options)
    assert not Path("logs").exists()
    return str(raised.value)


def error_in_file(content: str | bytes) -> str:
    """Return the error for a file of this content."""
    Path("my.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    return error_of("my.yaml")


def test_a_missing_file() -> None:
    """A file that isn't there: the shipped names are offered, and the nearest."""
    assert [
        "gema: there is no such file",
        "  allowed: a path, or one of the shipped: debug, default, gemma, optimized",
        "  did you mean 'gemma'?",
    ] == error_of("gema").splitlines()


def test_a_missing_file_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for LOGFLUME_CONFIG."""
    monkeypatch.setenv("LOGFLUME_CONFIG", "nowhere/my.yaml")

    assert "nowhere/my.yaml: there is no such file" in error_of(None)


@pytest.mark.parametrize("text", ["", "\n\n", "# version: 1\n", "---\n"])
def test_an_empty_file(text: str) -> None:
    """A file without content is an error: everything would be dropped in silence."""
    assert "my.yaml: the file is empty, so nothing would be written anywhere" == error_in_file(text)


@pytest.mark.parametrize(
    ("text", "place"),
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
def test_bad_yaml_names_the_line(text: str, place: str) -> None:
    """What is no YAML, or has tags that would run code, is refused with its line."""
    error = error_in_file(text)

    assert error.startswith("my.yaml: this is not valid YAML: ")
    assert place in error


def test_a_date_that_is_none() -> None:
    """YAML reads 2026-13-45 as a date, and fails in its own way."""
    assert "my.yaml: this is not valid YAML: month must be in 1..12" == error_in_file(
        "run: 2026-13-45"
    )


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"run: \xe4"])
def test_a_file_that_is_no_text(content: bytes) -> None:
    """A file that isn't UTF-8 is named."""
    assert error_in_file(content).startswith(
        "my.yaml: it can't be read: 'utf-8' codec can't decode"
    )


def test_a_folder_in_place_of_a_file() -> None:
    """A folder is no configuration."""
    Path("folder").mkdir()

    assert error_of("folder").startswith("folder: there is no such file")


def test_errors_of_a_dict() -> None:
    """A configuration given as a dict is named as that."""
    assert error_of({"buffer": {"sise": 1}}).startswith("configuration: buffer.sise: ")


@pytest.mark.parametrize(
    ("options", "variable", "place"),
    [({"level": "LOUD"}, None, "level"), ({}, "LOGFLUME_LEVEL", "LOGFLUME_LEVEL")],
)
def test_a_wrong_override_is_named(
    options: dict[str, str], variable: str | None, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A level that there isn't is blamed on the keyword, or on the variable."""
    if variable:
        monkeypatch.setenv(variable, "LOUD")

    assert error_of({}, **options).startswith(f"{place}: 'LOUD' is not allowed here")


@pytest.mark.parametrize("run", ["a/b", "..", "", " ", "-x", "a" * 129, "ä", "a\n"])
def test_run_ids_that_name_no_folder(run: str) -> None:
    """A run id becomes a folder; one that could lead elsewhere is refused."""
    if run:
        assert f"run: {run!r} can't be a run id" in error_of({}, run=run)
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
def test_a_class_in_place_of_an_object(config: dict[str, Any], expected: str) -> None:
    """The parentheses are easily forgotten."""
    assert expected == error_of(config)


def test_an_object_that_is_no_sink() -> None:
    """An object without the methods of a sink is refused."""
    assert "configuration: sinks.s: expected a mapping" in error_of({"sinks": {"s": object()}})


def test_what_a_component_itself_refuses() -> None:
    """A value that only the component can judge is a ConfigError too, with its place."""
    error = error_of(
        {"root": {"sinks": ["jsonl"]}, "sinks": {"jsonl": {"path": "x", "rotate_bytes": 0}}}
    )

    assert "sinks.jsonl: rotate_bytes must be above 0, not 0" in error


def test_a_place_that_can_not_be_written() -> None:
    """What can't be opened is a RunError that names the sink."""
    Path("file").write_text("")
    config = {"root": {"sinks": ["jsonl"]}, "sinks": {"jsonl": {"path": "file/events.jsonl"}}}

    with pytest.raises(logflume.RunError, match=r"sinks\.jsonl: it can't be opened: "):
        logflume.initialize(config, dir="elsewhere")


def test_a_csv_of_somebody_else() -> None:
    """A CSV that logflume didn't write is not touched."""
    Path("out.csv").write_text("question,answer\n1,2")
    config = {"root": {"sinks": ["csv"]}, "sinks": {"csv": {"path": "out.csv"}}}

    assert "out.csv was not written by logflume" in error_of(config)
    assert "question,answer\n1,2" == Path("out.csv").read_text()


def test_annotations_that_can_not_be_checked() -> None:
    """A stranger's annotations may be for type checkers only: options are passed as they are."""
    logflume.initialize(
        {
            "root": {"sinks": ["s"]},
            "sinks": {"s": {"type": f"{__name__}:Strange", "size": "5", "path": "x"}},
        }
    )

    assert ("5", "x") == Strange.opened


class Strange(MemorySink):
    """A sink with an annotation that exists only while types are checked."""

    opened: Any = None

    def __init__(self, size: NoSuchType, path: str | Path) -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__()
        Strange.opened = (size, path)
