"""Misfits: a line on standard error names each field that has values of another kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.values.normalize import MAX_MISFIT_REPORTS
from tests.event_helpers import read

KEPT = "; values that don't fit are kept in `extras`"


def log(folder: Path, calls: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Log events in a run with the default configuration, and return those of the journal."""
    run = logflume.initialize(dir=folder, run="r")
    for event_type, values in calls:
        logflume.get_logger("mine").info(event_type, **values)
    logflume.shutdown()
    return read(run.folder / "events.jsonl")


@pytest.mark.parametrize(
    ("calls", "report"),
    [
        (
            [("training", {"loss": "high"})],
            'training.loss: expected a number, found "high"',
        ),
        (
            [("training", {"reward": [1.0, 2.0]})],
            "training.reward: expected a number, found [1.0,2.0]",
        ),
        (
            [("model_output", {"model_output": "a", "generation": 0.5})],
            "model_output.generation: expected an integer, found 0.5",
        ),
        (
            [("mine", {"x": 1}), ("mine", {"x": "a"})],
            'mine.x: expected a number, as the field\'s first value was, found "a"',
        ),
        (
            [("mine", {"x": ["a"]}), ("mine", {"x": [1]})],
            "mine.x: expected a list of strings, as the field's first value was, found [1]",
        ),
        (
            [("mine", {"x": 2**60 + 1})],
            f"mine.x: expected numbers that a 64-bit float holds exactly, found {2**60 + 1}",
        ),
        ([("mine", {"step": "three"})], 'step: expected an integer, found "three"'),
        ([("mine", {"mode": "warmup"})], 'mode: expected train or eval, found "warmup"'),
    ],
)
def test_the_first_misfit_of_a_field_is_reported(
    calls: list[tuple[str, dict[str, Any]]],
    report: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One event, and one line, say what was expected, what came, and where the values are kept."""
    events = log(tmp_path, [*calls, calls[-1], calls[-1]])

    (reported,) = (e for e in events if e.get("status") == "limited")
    assert f"{report}{KEPT}." == reported["message"]
    assert report.split(", found ")[0] in " ".join(capsys.readouterr().err.split())


def test_each_field_of_each_type_is_reported(tmp_path: Path) -> None:
    """Fields of one name in two event types have a report each."""
    calls = [
        (one, {name: "x"}) for one in ("training", "evaluation") for name in ("loss", "reward")
    ]
    events = log(tmp_path, calls)

    assert [f"{one}.{name}" for one, fields in calls for name in fields] == [
        e["component"] for e in events if e.get("status") == "limited"
    ]


@pytest.mark.parametrize("value", [[], {}, [None]])
def test_an_empty_value_is_not_reported(value: Any, tmp_path: Path) -> None:
    """A value that determines no kind loses nothing."""
    events = log(tmp_path, [("mine", {"x": value})])

    assert not [e for e in events if e.get("status") == "limited"]


def test_the_number_of_reports_is_limited(tmp_path: Path) -> None:
    """The misfits of further fields are kept and counted, which the last report says."""
    count = MAX_MISFIT_REPORTS + 5
    events = log(tmp_path, [("mine", {f"x{i}": v for i in range(count)}) for v in (1, "a")])

    reports = [e["component"] for e in events if e.get("status") == "limited"]
    assert [*(f"mine.x{i}" for i in range(MAX_MISFIT_REPORTS)), "misfits"] == reports
    assert count == events[-1]["misfits"]
