"""Runs and attempts: consecutive, continued, and failing to start."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.testing import MemorySink
from tests.event_helpers import JOURNAL, fields, read
from tests.fake_sinks import FaultySink, wait_until


class TestRuns:
    def test_initialize_again(self, tmp_path: Path) -> None:
        """A second `initialize()` finishes the first run; loggers continue in the second."""
        log = logflume.get_logger()
        first = logflume.initialize(JOURNAL, dir=tmp_path)
        log.info("a")
        second = logflume.initialize(JOURNAL, dir=tmp_path)
        log.info("b")
        logflume.shutdown()

        for run, name in ((first, "a"), (second, "b")):
            events = read(run.folder / "events.jsonl")
            assert ["run_started", name, "run_finished", "pipeline"] == [e["event"] for e in events]
            assert {run.run} == {e["run"] for e in events}
        assert second.run == (tmp_path / "latest").readlink().name

    def test_an_invalid_configuration(self, tmp_path: Path) -> None:
        """If the last sink can't be built, the others are closed and no thread remains."""
        threads = threading.active_count()
        sinks: dict[str, Any] = {
            "a": {"type": "jsonl", "path": "{dir}/a"},
            "b": MemorySink(),
            "c": {"type": "csv", "path": "{dir}/c"},
        }
        (tmp_path / "c").write_text("not,ours\n")
        with pytest.raises(logflume.LogflumeError):
            logflume.initialize({"root": {"sinks": list(sinks)}, "sinks": sinks}, dir=tmp_path)

        assert wait_until(lambda: threads == threading.active_count())
        assert sinks["b"].is_closed
        assert not logflume.flush()

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        """`initialize()` raises an error, and the sinks opened before are closed."""
        (tmp_path / "r" / "run.json.tmp").mkdir(parents=True)
        sink = MemorySink()
        with pytest.raises(logflume.RunError, match="can't be written"):
            logflume.initialize(
                {"root": {"sinks": ["a"]}, "sinks": {"a": sink}}, dir=tmp_path, run="r"
            )

        assert sink.is_closed

    def test_continuing(self, tmp_path: Path) -> None:
        """The id of an existing run starts its next attempt: `seq` from 0, the same journal."""
        for _ in range(3):
            logflume.initialize(JOURNAL, dir=tmp_path, run="r")
            logflume.get_logger().info("x")
            logflume.shutdown()

        events = read(tmp_path / "r" / "events.jsonl")
        assert [(a, s) for a in range(3) for s in range(4)] == [
            (e["attempt"], e["seq"]) for e in events
        ]

    def test_kinds_persist_across_attempts(self, tmp_path: Path) -> None:
        """A field keeps the kind from the first attempt in later attempts."""
        for value in (1, "text", 0.5):
            logflume.initialize(JOURNAL, dir=tmp_path, run="r")
            logflume.get_logger().info("x", value=value)
            logflume.shutdown()

        events = [fields(e) for e in read(tmp_path / "r" / "events.jsonl") if e["event"] == "x"]
        assert [{"value": 1.0}, {"extras": '{"value":"text"}'}, {"value": 0.5}] == events

    def test_kinds_are_saved_before_events(self, tmp_path: Path) -> None:
        """The run state has the kind of every field in the journal, even after a `kill -9`."""
        saved_kinds = []

        def read_state(_events: Any) -> None:
            kinds = json.loads((tmp_path / "r" / "run.json").read_text())["kinds"]
            saved_kinds.append(kinds.get("x", {}).get("value"))

        sink = FaultySink(read_state)
        logflume.initialize({"root": {"sinks": ["a"]}, "sinks": {"a": sink}}, dir=tmp_path, run="r")
        assert logflume.flush()
        logflume.get_logger().info("x", value=1)
        assert logflume.flush()

        assert [None, "number"] == saved_kinds

    def test_the_journal_is_written_first(self, tmp_path: Path) -> None:
        """The journal gets each event before other sinks, in any configured order."""
        journal = tmp_path / "r" / "events.jsonl"
        missing: list[int] = []

        def find_missing(events: Any) -> None:
            written = {e["seq"] for e in read(journal)}
            missing.extend(e["seq"] for e in events if e["seq"] not in written)

        config = {
            "root": {"sinks": ["other", "jsonl"]},
            "sinks": {"other": FaultySink(find_missing), "jsonl": {"path": str(journal)}},
        }
        logflume.initialize(config, dir=tmp_path, run="r")
        for _ in range(100):
            logflume.get_logger().info("x")
        logflume.shutdown()

        assert [] == missing
