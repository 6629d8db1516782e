"""Runs that are continued, and which events each of their outputs has."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb

import logflume

Place = tuple[int, int]

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


def in_journal(folder: Path) -> list[Place]:
    return [(e["attempt"], e["seq"]) for e in logflume.open_run(folder, attempts="all")]


def in_csv(folder: Path) -> list[Place]:
    with (folder / "all.csv").open(newline="", encoding="utf-8") as file:
        return [(int(row["attempt"]), int(row["seq"])) for row in csv.DictReader(file)]


def in_parquet(folder: Path) -> list[Place]:
    tables = [p for p in (folder / "parquet").iterdir() if p.is_dir()]
    queries = [f"select attempt, seq from '{table}/*.parquet'" for table in tables]
    return duckdb.execute(" union all ".join(queries) + " order by all").fetchall()


def check_all_alike(folder: Path) -> None:
    assert in_journal(folder) == in_csv(folder) == in_parquet(folder)


def totals(name: str) -> dict[str, int]:
    report = logflume.report()
    assert report is not None
    return report.sinks[name]


def is_at_rest(name: str) -> bool:
    counts = totals(name)
    return counts["accepted"] == counts["written"] + counts["dropped"]
