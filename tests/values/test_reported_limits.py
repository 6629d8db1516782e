"""Limits of a run: exceeding one is reported once, with the place where the rest is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import logflume
from logflume.values.arrow import MAX_COLUMNS
from logflume.values.normalize import MAX_ADHOC_TYPES, MAX_FIELDS
from tests.event_helpers import read

CONFIG = {
    "root": {"sinks": ["jsonl", "parquet", "console"]},
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl"},
        "parquet": {"path": "{dir}/{run}/parquet"},
        "console": {"level": "WARNING"},
    },
}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return logflume.initialize(CONFIG, dir=tmp_path, run="r").folder / "events.jsonl"


def test_too_many_types(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the 65th undeclared type on, events become messages, which is reported once."""
    for number in range(MAX_ADHOC_TYPES + 5):
        logflume.get_logger().info(f"type_{number}", number=number)
    logflume.get_logger().info("type_99", message="taken")
    logflume.get_logger().info("type_0", number=0)
    logflume.get_logger().info("training", loss=1.0)
    logflume.shutdown()

    events = read(journal)
    (report,) = (e for e in events if e["event"] == "pipeline" and e["status"] == "limited")
    assert "event types" == report["component"]
    assert "the limit is 64 types" in report["reason"]
    assert "'type_64'" in report["reason"]
    assert 1 == capsys.readouterr().err.count("event types: the limit is 64 types")
    kept = [e for e in events if e["event"] == "message"]
    assert [f"type_{number}" for number in range(64, 69)] == [e["message"] for e in kept[:5]]
    assert '{"event":"type_99"}' == kept[5]["extras"]
    assert 2 == sum(e["event"] == "type_0" for e in events)
    assert 1.0 == next(e for e in events if e["event"] == "training")["loss"]


def test_too_many_fields(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fields beyond the limit of a type are kept in `extras`, which is reported once."""
    for number in (0, 2):
        values = {str(number + index): index for index in range(MAX_FIELDS + 1)}
        logflume.get_logger().info("wide", x=values)
    logflume.shutdown()

    events = read(journal)
    (report,) = (e for e in events if e["event"] == "pipeline" and e["status"] == "limited")
    kept = [json.loads(e["extras"]) for e in events if e["event"] == "wide"]
    assert [{"x/10000": 10_000}, {"x/10000": 9_998, "x/10001": 9_999, "x/10002": 10_000}] == kept
    assert "fields of 'wide'" == report["component"]
    assert "the limit is 10,000 undeclared fields" in report["reason"]
    assert "'x/10000'" in report["reason"]
    errors = capsys.readouterr().err
    assert 1 == errors.count("the limit is 10,000 undeclared fields")
    assert 1 == errors.count(f"more than {MAX_COLUMNS:,} fields")
