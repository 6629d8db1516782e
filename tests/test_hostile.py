"""Malicious content, logged through the public API into every sink."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import logflume
from logflume.testing import capture_events
from logflume.values.coerce import MAX_NAME
from logflume.values.plain import MAX_TEXT
from tests.event_helpers import JOURNAL, only, read

EVIL = "\x1b]0;t\x07\x1b[31m\x9b1A\r\n2026-01-01 ERROR forged\u2028\u2029\x00\x7f\u202e\u2066\u061c"
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Characters that a terminal may interpret as a command or a line break."""

ALL_SINKS: dict[str, Any] = {
    "root": {"sinks": ["console", "log_file", "jsonl", "csv", "parquet", "tensorboard"]},
    "processors": ["redact_secrets", "tag_step", "flatten_rewards", "measure_generations"],
    "sinks": {
        "console": {},
        "log_file": {"type": "console", "path": "{dir}/{run}/training.log"},
        "jsonl": {"path": "{dir}/{run}/events.jsonl"},
        "csv": {"path": "{dir}/{run}/all.csv", "events": ["model_output", "message"]},
        "parquet": {"path": "{dir}/{run}/parquet"},
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}
TYPES = ["../../up", "a/b", "/etc/passwd", "..", ".hidden", "CON", "x" * 101, "nul\0", "=1+1", ""]


def log_evil(folder: Path) -> Path:
    """Log malicious text wherever an event can have text; return the run's folder."""
    run = logflume.initialize(ALL_SINKS, dir=folder / "logs", run="r")
    log = logflume.get_logger("name" + EVIL)
    log.info("text " + EVIL)
    log.info(
        "typed", **{"field" + EVIL: EVIL, "number" + EVIL: 1.0, "../../up": 2.0, "=1+1": "=1+1"}
    )
    for name in TYPES:
        log.info(name, value=1)
    logflume.get_logger("training").info("training", step=1, **{"m" + EVIL: 2.0, "../../up": 3.0})
    log.info("model_output", step=1, question="=HYPERLINK(1)", model_output=EVIL, answer="@SUM(1)")
    log.info("reward", step=1, **{"function" + EVIL: [1.0, 0.0]})
    try:
        raise ValueError(EVIL)
    except ValueError:
        log.exception("failed " + EVIL)
    assert logflume.flush()
    report = logflume.report()
    assert report is not None
    assert {0} == {totals["failed"] for totals in report.sinks.values()}
    logflume.shutdown()
    return run.folder


def test_no_control_characters_are_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Console, text log and journal contain neither control characters nor forged lines."""
    folder = log_evil(tmp_path)
    console = capfd.readouterr().err
    texts = {"console": console, "log": (folder / "training.log").read_text()}
    texts["journal"] = (folder / "events.jsonl").read_text()

    assert 10 < console.count("forged")
    for name, text in texts.items():
        assert (name, []) == (name, CONTROL.findall(text))
        assert [] == [line for line in text.split("\n") if line.startswith("2026-01-01 E")]


def test_the_exact_text_is_kept(tmp_path: Path) -> None:
    """The journal and Parquet return every character."""
    folder = log_evil(tmp_path)
    events = read(folder / "events.jsonl")

    assert "text " + EVIL in [e.get("message") for e in events]
    assert {"name" + EVIL} >= {e["logger"] for e in events} - {"system", "training"}
    (typed,) = (e for e in events if e["event"] == "typed")
    assert (EVIL, 1.0) == (typed["field" + EVIL], typed["number" + EVIL])
    (output,) = (e for e in events if e["event"] == "model_output")
    assert EVIL == output["model_output"]
    assert [EVIL] == pq.read_table(folder / "parquet" / "typed")["field" + EVIL].to_pylist()
    assert events == sorted(events, key=lambda e: int(e["seq"]))


def test_no_file_outside_of_the_run_folder(tmp_path: Path) -> None:
    """Whatever the names of events and fields, files are created only in the run's folder."""
    folder = log_evil(tmp_path)

    assert {"logs"} == {path.name for path in tmp_path.iterdir()}
    assert {"r", "latest"} == {path.name for path in (tmp_path / "logs").iterdir()}
    names = {path.name for path in (folder / "parquet").iterdir()}
    assert all(re.fullmatch(r"[A-Za-z_][\w.]*", name) for name in names)


def test_spreadsheets_execute_no_cell(tmp_path: Path) -> None:
    """No cell of the CSV starts a formula, and all rows have the same length."""
    folder = log_evil(tmp_path)
    with (folder / "all.csv").open(newline="") as file:
        rows = list(csv.reader(file))

    assert 1 == len({len(row) for row in rows})
    assert [] == [cell for row in rows for cell in row if re.match(r"[=+@\t\r\n]|-[^\d]", cell)]
    assert any("'=HYPERLINK(1)" in row for row in rows)


def test_tensorboard_reads_hostile_tags(tmp_path: Path) -> None:
    """TensorBoard's reader finds the scalars, whatever characters are in their tags."""
    accumulator = EventAccumulator(str(log_evil(tmp_path) / "tensorboard"))
    accumulator.Reload()

    assert {"train/m" + EVIL, "train/../../up"} <= set(accumulator.Tags()["scalars"])


@pytest.mark.parametrize(
    "run",
    ["../up", "a/b", "/abs", "..", ".", " ", "a\nb", "-rf", "~", "x" * 129, "latest", "é"],
)
def test_run_ids(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run id that could be a path is rejected, wherever it comes from."""
    with pytest.raises(logflume.ConfigError, match="is not a valid run id"):
        logflume.initialize(JOURNAL, dir=tmp_path, run=run)
    monkeypatch.setenv("SLURM_JOB_ID", run)
    with pytest.raises(logflume.ConfigError, match="is not a valid run id"):
        logflume.initialize(JOURNAL, dir=tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_secrets_at_any_depth() -> None:
    """A field named like a secret is redacted within lists of mappings as well."""
    with capture_events("redact_secrets") as events:
        logflume.get_logger().info(
            "x", clients=[{"name": "a", "servers": [{"password": "hunter2"}]}]
        )

    assert '[{"name":"a","servers":[{"password":"[redacted]"}]}]' == only(events)["clients"]


def test_long_texts_in_lists() -> None:
    """Each text in a list has the same limit as a single text."""
    texts = ["a", "é" * (MAX_TEXT + 1), None]
    with capture_events() as events:
        logflume.get_logger().info("x", texts=texts)
    event = only(events)

    assert ["a", "é" * MAX_TEXT, None] == event["texts"]
    note = {"cut_to": MAX_TEXT, "lengths": {"1": MAX_TEXT + 1}}
    assert {"texts": note} == json.loads(event["extras"])


@pytest.mark.parametrize(
    "value",
    [["x" * MAX_TEXT] * 5, {"a": {"b": "x" * MAX_TEXT}}, 10**1_500_000],
    ids=["list", "mapping", "number"],
)
def test_huge_values_that_do_not_fit(value: Any) -> None:
    """A misfit is truncated as JSON text, however it is nested."""
    with capture_events() as events:
        logflume.get_logger().info("x", extras=value)
    kept = json.loads(only(events)["extras"])["extras"]

    assert (MAX_TEXT, MAX_TEXT) == (len(kept["text"]), kept["cut_to"])
    assert MAX_TEXT < kept["length"]


def test_long_names() -> None:
    """A long field or logger name is truncated, includes its original length and stays distinct."""
    names = ["k" * 100_000 + end for end in "ab"]
    with capture_events() as events:
        logflume.get_logger("l" * 5_000).info("x", **dict.fromkeys(names, 1.0), m={names[0]: 2.0})
    event = only(events)

    assert "l" * MAX_NAME + "<5000 characters>" == event["logger"]
    cut = "k" * MAX_NAME + "<100001 characters>"
    assert [1.0, 1.0] == [value for name, value in event.items() if name.startswith(cut)]
    assert 2.0 == event[f"m/{'k' * (MAX_NAME - 2)}<100003 characters>"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("dir: !!python/object/apply:os.system ['touch pwned']", "python/object/apply"),
        ("dir: !!python/object/new:os.system ['touch pwned']", "python/object/new"),
        ("dir: !!python/name:os.system", "python/name"),
        ("dir: !!python/module:os", "python/module"),
        ("dir: !mine x", "!mine"),
        ("dir: " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
        ("dir: \x1b[31m", "special characters"),
        ("{a: b", "invalid YAML"),
    ],
)
def test_hostile_yaml(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that would execute code or exhaust the memory raises an error with the reason."""
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(text)
    with pytest.raises(logflume.ConfigError) as error:
        logflume.initialize("my.yaml")

    assert reason in str(error.value)
    assert str(error.value).startswith("my.yaml: ")
    assert ["my.yaml"] == [path.name for path in tmp_path.iterdir()]


def test_yaml_with_anchors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary anchors, aliases and merge keys are accepted."""
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(
        "root: &root {level: INFO, sinks: &sinks [jsonl]}\n"
        "loggers: {model: {<<: *root, level: ERROR}, mine: {sinks: *sinks}}\n"
        "sinks: {jsonl: {path: '{dir}/{run}/events.jsonl'}}\n"
    )
    run = logflume.initialize("my.yaml")
    logflume.get_logger("mine").info("x", n=1)
    logflume.shutdown()

    assert "mine" in [e["logger"] for e in read(run.folder / "events.jsonl")]
