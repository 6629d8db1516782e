"""The output of every command with `--json` is as `docs/json-output.md` says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import logflume
from logflume.cli import base
from logflume.training.trainer_prompts import prompt_id
from tests.cli.commands import check_output, run
from tests.query.training_run import log_steps, start, write_run

DOCUMENT = Path(__file__).parents[2] / "docs" / "json-output.md"
_ROW = re.compile(r"\| `([^`]+)` \| ([^|]+) \|")
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
}

Place = tuple[str, ...]


def documented() -> dict[str, dict[Place, str]]:
    """Return the types of the documented values by place, for each command."""
    commands: dict[str, dict[Place, str]] = {}
    for section in DOCUMENT.read_text().split("\n## `logflume ")[1:]:
        command = section.partition("`")[0].removesuffix(" --format json")
        rows = {_place(path): kind for path, kind in _ROW.findall(section)}
        commands[command] = rows
    return commands


def _place(path: str) -> Place:
    """Return the parts of a path: keys, `<…>` for any key, `[]` for any element."""
    return tuple(re.findall(r"\[\]|<[^>]*>|[^.\[\]]+", path))


def mismatches(value: Any, rows: dict[Place, str], place: Place = ()) -> Iterator[str]:
    """Yield what of a value isn't documented, has another type, or is missing."""
    kind = rows.get(place)
    if kind is not None and "any" in kind:
        return
    if place and kind is None:
        yield f"{place} is not documented"
        return
    if kind is not None and not _has_type(value, kind):
        yield f"{place} should be {kind}: {value!r}"
    if isinstance(value, list):
        for element in value:
            yield from mismatches(element, rows, (*place, "[]"))
    elif isinstance(value, dict):
        keys = {p[-1]: k for p, k in rows.items() if p[:-1] == place and p[-1] != "[]"}
        wildcard = next((key for key in keys if key.startswith("<")), None)
        for key, of_key in value.items():
            known = key if key in keys else wildcard or key
            yield from mismatches(of_key, rows, (*place, known))
        for key, of_key in keys.items():
            if key not in value and key != wildcard and "optional" not in of_key:
                yield f"{(*place, key)} is missing"


def _has_type(value: Any, kind: str) -> bool:
    if value is None:
        return "or null" in kind
    expected = TYPES[re.split(r" or |,", kind)[0].strip()]
    return isinstance(value, expected) and not isinstance(value, bool)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs; one has an alert, a fault, and hyperparameters."""
    folder = tmp_path_factory.mktemp("here")
    write_run(folder / "logs", range(1, 6), range(4, 9), run="first")
    start(folder / "logs", "second")
    log = logflume.get_logger()
    log.info("run_started", hyperparameters={"seed": 1, "names": ["a"], "lr": 1e-3})
    log_steps(range(1, 4))
    log.warning("alert", signal="s", message="down", severity="warning", step=3)
    log.info("training", loss="a text")  # a misfit
    logflume.shutdown()
    source = folder / "trainer_state.json"
    source.write_text(json.dumps({"log_history": [{"loss": 1.0, "step": 1}], "global_step": 1}))
    return folder


PROMPT_ID = prompt_id("1 + 1?")

ARGUMENTS = {
    "runs": [],
    "show": ["second"],
    "compare": ["first", "second"],
    "plot": ["second", "loss", "rewards/*/mean"],
    "outputs": ["first", "-n", "100"],
    "prompts": ["first", "--solved", "1"],
    "prompt": ["first", PROMPT_ID, "--solved", "1"],
    "compact": ["first"],
    "replay": ["first", "--to", "csv", "--out", "replayed"],
    "import": ["trainer_state.json"],
}


@pytest.mark.parametrize("command", ARGUMENTS)
def test_output_is_as_documented(here: Path, command: str) -> None:
    """Each value of the output is documented with its type, and no documented key is missing."""
    output = json.loads(check_output(here, command, *ARGUMENTS[command], "--json"))
    assert output
    assert [] == list(mismatches(output, documented()[command]))


def test_issues_are_as_documented(tmp_path: Path) -> None:
    """The issues that `doctor` finds are documented."""
    folder = write_run(tmp_path / "logs", range(1, 4))
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    (folder / "events.jsonl").write_text("".join(lines[:5] + lines[6:]))
    done = run(tmp_path, "doctor", "latest", "--json")
    issues = json.loads(done.stdout)
    assert (1, True) == (done.returncode, bool(issues))
    assert [] == list(mismatches(issues, documented()["doctor"]))


def test_findings_are_as_documented(tmp_path: Path) -> None:
    """The findings of `diagnose` are documented."""
    start(tmp_path / "logs", "r")
    for step in range(1, 12):
        logflume.get_training_logger().info("training", step=step, loss=float("nan"))
    logflume.shutdown()
    findings = json.loads(check_output(tmp_path, "diagnose", "r", "--json"))
    assert findings
    assert [] == list(mismatches(findings, documented()["diagnose"]))


def test_the_check_finds_differences() -> None:
    """A value of another type, an unknown key and a missing one are found."""
    rows = documented()["compact"]
    issue = {"path": "p", "files_before": "2", "bytes_before": 1, "files": 1, "other": 1}
    assert 3 == len(list(mismatches([issue], rows)))


def test_every_command_is_documented() -> None:
    """Each command that has `--json` has a section."""
    group = typer.main.get_command(base.app)
    commands: dict[str, Any] = group.commands  # type: ignore[attr-defined]
    # `logflume runs` is a group, whose command `list` runs if none is named.
    commands |= {"runs": commands["runs"].commands["list"]}
    with_json = {
        name
        for name, command in commands.items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json >= set(ARGUMENTS)
    assert with_json - documented().keys() == set()
