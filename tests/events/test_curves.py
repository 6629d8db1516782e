"""Which event types have curves: `show`, TensorBoard and the page agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

import logflume
from logflume.cli.base import app
from logflume.events.catalogue import CATALOGUE, EventBase

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("httpx", reason="httpx, which Starlette's test client needs, is not installed")

CONFIG: dict[str, Any] = {
    "worker": "thread",
    "root": {"sinks": ["jsonl", "tensorboard"]},
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl"},
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}


class Curve(EventBase):
    """A new type of numbers."""


class Report(EventBase):
    """A new type of reports."""

    has_curves: ClassVar[bool] = False


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a number `of_<type>` in an event of each declared type, and of one more."""
    monkeypatch.setitem(CATALOGUE, "new_curve", Curve)
    monkeypatch.setitem(CATALOGUE, "new_report", Report)
    logflume.initialize(CONFIG, dir=tmp_path, run="r")
    for name in [*CATALOGUE, "undeclared"]:
        logflume.get_logger("probe").info(name, step=1, **{f"of_{name}": 1.0})
    logflume.shutdown()
    return tmp_path


def find_types(names: Any) -> set[str]:
    """Return the types whose number is in one of the names."""
    return {name.partition("of_")[2] for name in names if "of_" in name}


def tags(folder: Path) -> list[str]:
    """Return TensorBoard's tags of numbers."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return list(EventAccumulator(str(folder)).Reload().Tags()["scalars"])


def test_one_statement_decides(folder: Path) -> None:
    """It is that of the type's class; the summary of `show` leaves out ranks and machines."""
    from tests.ui.clients import client_of

    with client_of(folder) as client:
        page = client.get("/api/curves", params={"run": "r"}).json()["names"]
    shown = json.loads(CliRunner().invoke(app, ["show", str(folder / "r"), "--json"]).stdout)

    expected = {name for name, declared in CATALOGUE.items() if declared.has_curves}
    assert {"training", "new_curve"} < expected
    assert not {"alert", "new_report"} & expected
    assert expected | {"undeclared"} == find_types(page)
    assert find_types(page) == find_types(tags(folder / "r" / "tensorboard"))
    assert find_types(page) - {"rank", "system"} == find_types(shown["metrics"])
