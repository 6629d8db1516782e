"""The `schema` and `config` commands and the help, run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import logflume
from logflume.events.catalogue import CATALOGUE
from tests.cli.commands import run


def test_schema(tmp_path: Path) -> None:
    """`logflume schema` prints a JSON Schema that every line of a real journal matches."""
    done = run(tmp_path, "schema")
    schema = json.loads(done.stdout)
    logflume.initialize(dir=tmp_path, run="r")
    logflume.log_training_progress(1, {"loss": float("nan")})
    logflume.log_reward_metrics(1, {"a": [1.0, None]})
    logflume.log_memory_usage()
    logflume.shutdown()
    lines = (tmp_path / "r" / "events.jsonl").read_text().splitlines()

    Draft202012Validator.check_schema(schema)
    assert (0, "") == (done.returncode, done.stderr)
    assert set(CATALOGUE) == set(schema["$defs"])
    validator = Draft202012Validator(schema)
    assert [] == [e.message for line in lines for e in validator.iter_errors(json.loads(line))]


def test_check_of_a_valid_configuration(tmp_path: Path) -> None:
    """`logflume config check` prints the sinks, writes no files, and exits with status 0."""
    (tmp_path / "my.yaml").write_text("root: {sinks: [out]}\nsinks: {out: {type: csv, path: x}}")
    done = run(tmp_path, "config", "check", "my.yaml")

    assert (0, "my.yaml: valid. Sinks: out.\n", "") == (done.returncode, done.stdout, done.stderr)
    assert ["my.yaml"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["default", "gemma", "optimized", "debug"])
def test_check_of_a_shipped_configuration(name: str, tmp_path: Path) -> None:
    """A shipped configuration can be checked by name."""
    done = run(tmp_path, "config", "check", name)

    assert 0 == done.returncode
    assert done.stdout.startswith(f"{name}: valid. Sinks: console, ")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("buffer: {sise: 5}", "my.yaml: buffer.sise: unknown key\n"),
        (
            "sinks: {x: {type: parqet}}",
            "my.yaml: sinks.x.type: no component is registered as 'parqet'\n",
        ),
        (
            "sinks: {jsonl: {path: x, size: 1}}",
            "my.yaml: sinks.jsonl.size: unknown option\n",
        ),
        ("processors: [tags]", "my.yaml: processors[0]: no component is registered as 'tags'\n"),
        ("a: [", "my.yaml: invalid YAML: "),
    ],
)
def test_check_of_an_invalid_configuration(text: str, error: str, tmp_path: Path) -> None:
    """An invalid configuration gives one message on standard error and exit status 1."""
    (tmp_path / "my.yaml").write_text(text)
    done = run(tmp_path, "config", "check", "my.yaml")

    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(error)
    assert "Traceback" not in done.stderr


def test_check_imports_only_on_request(tmp_path: Path) -> None:
    """What a configuration names is imported only if --import names it, from the folder, too."""
    (tmp_path / "own.py").write_text(
        "print('imported')\nclass Sink:\n    def __init__(self, path): ...\n"
        "    def write(self, events): ...\n    def flush(self): ...\n    def close(self): ...\n"
    )
    (tmp_path / "my.yaml").write_text(
        "root: {sinks: [out]}\nsinks: {out: {type: 'own:Sink', path: x}}"
    )
    unchecked = run(tmp_path, "config", "check", "my.yaml")
    other = run(tmp_path, "config", "check", "my.yaml", "--import", "own:Other")
    checked = run(tmp_path, "config", "check", "my.yaml", "--import", "own:Sink")

    assert (0, 0) == (unchecked.returncode, checked.returncode), checked.stderr
    expected = (
        "my.yaml: no errors found, but own:Sink must be imported to be checked, which runs code: "
        "add --import own:Sink.\n"
    )
    assert expected == unchecked.stdout == other.stdout
    assert "imported\nmy.yaml: valid. Sinks: out.\n" == checked.stdout


@pytest.mark.parametrize("target", ["os:system", "builtins:exec", "os:fspath", "sys:path"])
@pytest.mark.parametrize(
    "text", ["sinks: {x: {type: 'TARGET', path: x}}", "processors: ['TARGET']"]
)
def test_check_of_what_is_no_component(text: str, target: str, tmp_path: Path) -> None:
    """A name that leads to something else than a sink or a processor is an error."""
    (tmp_path / "my.yaml").write_text(text.replace("TARGET", target))
    done = run(tmp_path, "config", "check", "my.yaml", "--import", target)

    assert 1 == done.returncode
    assert f"{target!r} is n" in done.stderr


def test_check_of_a_missing_file(tmp_path: Path) -> None:
    """A missing file is reported, with a similar name as a suggestion."""
    done = run(tmp_path, "config", "check", "gema")

    assert 1 == done.returncode
    assert "gema: no such file" in done.stderr
    assert "did you mean 'gemma'?" in done.stderr


def test_help_names_the_commands(tmp_path: Path) -> None:
    """`logflume --help` lists the commands; an unknown command exits with status 2."""
    done = run(tmp_path, "--help")

    assert 0 == done.returncode
    assert {"demo", "schema", "config"} <= set(done.stdout.split())
    assert 2 == run(tmp_path, "scheme").returncode
