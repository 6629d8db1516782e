"""Events that were probably meant to be others: misspelt types, completions without their text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.query.faults import read_faults
from logflume.query.open_run import open_run


def reports(folder: Path, event_type: str, /, **fields: Any) -> list[str]:
    """Log an event twice in a run with the default configuration; return what is reported."""
    run = logflume.initialize(dir=folder)
    for _ in range(2):
        logflume.get_logger("mine").info(event_type, **fields)
    logflume.shutdown()
    return [fault["message"] for fault in read_faults(open_run(run.folder))]


@pytest.mark.parametrize(
    ("event_type", "fields", "meant"),
    [
        ("rewards", {"correctness": [2.0, 0.0]}, "reward"),
        ("rewards", {"rewards": {"correctness": [2.0, 0.0]}}, "reward"),
        ("rewrad", {"correctness": [2.0, None]}, "reward"),
        ("model_outputs", {"prompt": "a", "model_output": "b"}, "model_output"),
        ("modeloutput", {"model_output": "b"}, "model_output"),
        ("ModelOutput", {"model_output": "b"}, "model_output"),
        ("trainings", {"acc": 0.5}, "training"),
        ("Training", {"loss": 0.5}, "training"),
        ("trainin", {"loss": 0.5}, "training"),
        ("evalution", {"loss": 0.5}, "evaluation"),
        ("check_points", {"path": "a"}, "checkpoint"),
    ],
)
def test_a_misspelt_type(
    event_type: str,
    fields: dict[str, Any],
    meant: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One event and one line say, once per run, which declared type is similar."""
    (report,) = reports(tmp_path, event_type, **fields)

    assert report == (
        f"event type {event_type!r}: it isn't declared, so it is recorded as a type of your own; "
        f"did you mean {meant!r}?"
    )
    assert 1 == " ".join(capsys.readouterr().err.split()).count(report)


@pytest.mark.parametrize(
    ("event_type", "fields"),
    [
        ("trainer", {"loss": 0.5}),
        ("rewarded_video", {"views": [1.0, 2.0]}),
        ("rewards", {"plan": "gold"}),
        ("ranks", {"order": ["a", "b"]}),
        ("bank", {"host": "a"}),
        ("trailing", {"queue": 3}),
        ("draining", {"loss": 0.5}),
        ("systems", {"names": ["a"]}),
        ("messages", {"step": 3}),
        ("pipelines", {"status": "ok"}),
        ("reward.model", {"scores": [1.0]}),
    ],
)
def test_a_type_of_ones_own(event_type: str, fields: dict[str, Any], tmp_path: Path) -> None:
    """A type that only resembles a declared one, or has other fields, is not reported."""
    assert [] == reports(tmp_path, event_type, **fields)


def test_a_name_that_is_no_type(tmp_path: Path) -> None:
    """The report about a message that has fields names the declared type that it resembles."""
    (report,) = reports(tmp_path, "model-output", model_output="b")

    assert report.endswith("so it is recorded as a message; did you mean 'model_output'?")


@pytest.mark.parametrize("count", [1, 40])
def test_a_completion_without_its_text(count: int, tmp_path: Path) -> None:
    """A `model_output` event without a text is reported once, with the fields that it has."""
    run = logflume.initialize(dir=tmp_path)
    for number in range(count):
        logflume.get_logger().info("model_output", prompt=str(number), completion="b")
    logflume.shutdown()

    assert [
        "model_output: expected the text of the completion in the field `model_output`, found only "
        "these fields: prompt, completion."
    ] == [fault["message"] for fault in read_faults(open_run(run.folder))]


@pytest.mark.parametrize(
    "fields", [{"model_output": ""}, {"messages": [{"role": "user"}]}, {"answer": "4"}]
)
def test_a_completion_with_another_text(fields: dict[str, Any], tmp_path: Path) -> None:
    """An empty completion, a conversation, or an answer alone is not reported."""
    assert [] == reports(tmp_path, "model_output", **fields)
