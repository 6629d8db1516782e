"""Helpers for catch-up tests: continued runs, and the positions of the events in each sink."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb

import logflume
from logflume.protocols import Position

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl", "csv", "parquet"]},
    "processors": ["tag_step"],
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 20_000},
        "csv": {"path": "{dir}/{run}/all.csv"},
        "parquet": {"path": "{dir}/{run}/parquet", "rotate_events": 500},
    },
}

ONLY_JOURNAL = {**CONFIG, "root": {"level": "INFO", "sinks": ["jsonl"]}}


def open_run(folder: Path, config: dict[str, Any] = CONFIG, **sinks: Any) -> Path:
    merged = {**config, "sinks": {**config["sinks"], **sinks}}
    return logflume.initialize(merged, dir=folder, run="r").folder


def journal_positions(folder: Path) -> list[Position]:
    return [(e["attempt"], e["seq"]) for e in logflume.open_run(folder, attempts="all")]


def csv_positions(folder: Path) -> list[Position]:
    with (folder / "all.csv").open(newline="", encoding="utf-8") as file:
        return [(int(row["attempt"]), int(row["seq"])) for row in csv.DictReader(file)]


def parquet_positions(folder: Path) -> list[Position]:
    tables = [p for p in (folder / "parquet").iterdir() if p.is_dir()]
    queries = [f"select attempt, seq from '{table}/*.parquet'" for table in tables]
    return duckdb.execute(" union all ".join(queries) + " order by all").fetchall()


def check_sinks_agree(folder: Path) -> None:
    assert journal_positions(folder) == csv_positions(folder) == parquet_positions(folder)


def sink_counts(name: str) -> dict[str, int]:
    report = logflume.report()
    assert report is not None
    return report.sinks[name]


def has_nothing_pending(name: str) -> bool:
    counts = sink_counts(name)
    return counts["accepted"] == counts["written"] + counts["dropped"]
