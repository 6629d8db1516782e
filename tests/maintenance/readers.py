"""Readers of the journal and the sink files of a run, using the libraries of their users."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import logflume


def read_journal(folder: Path) -> list[str]:
    """Return the events of all journals, sorted as JSON."""
    run = logflume.open_run(folder, attempts="all")
    return sorted(json.dumps(event, sort_keys=True) for event in run)


def read_parquet(folder: Path) -> dict[str, list[Any]]:
    """Return the rows of every event type and rank, read with DuckDB."""
    types = [path for path in folder.glob("parquet*/*") if any(path.glob("*.parquet"))]
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return {
            path.relative_to(folder).as_posix(): sorted(
                map(repr, _rows(connection, f"select * from read_parquet('{path}/*.parquet')"))
            )
            for path in types
        }


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [str(column[0]) for column in result.description or ()]
    # Sorted, because columns are in the order of their first appearance, which may differ.
    return [
        {n: v for n, v in sorted(zip(names, row, strict=True)) if v is not None}
        for row in result.fetchall()
    ]


def read_csv(folder: Path) -> dict[str, list[list[str]]]:
    """Return the rows of every CSV file, with the header first."""
    paths = sorted(folder.glob("*.csv"))
    texts = {path.name: path.read_bytes().decode() for path in paths}
    return {name: list(csv.reader(io.StringIO(t, newline=""))) for name, t in texts.items()}


def read_tensorboard(folder: Path) -> dict[str, Any]:
    """Return what TensorBoard shows: the steps and values of each tag."""
    shown: dict[str, Any] = {}
    for path in sorted(folder.glob("tensorboard*")):
        guidance = {"scalars": 0, "tensors": 0, "histograms": 0}
        reader = EventAccumulator(str(path), size_guidance=guidance).Reload()
        tags = reader.Tags()
        for tag in tags["scalars"]:
            values = [(s.step, repr(s.value)) for s in reader.Scalars(tag)]
            shown[f"{path.name}/{tag}"] = values
        for tag in tags["tensors"]:
            tensors = [(t.step, t.tensor_proto.string_val[:]) for t in reader.Tensors(tag)]
            shown[f"{path.name}/{tag}"] = tensors
        for tag in tags["histograms"]:
            shown[f"{path.name}/{tag}"] = [(h.step, str(h)) for h in reader.Histograms(tag)]
    return shown


def read_log(folder: Path) -> dict[str, str]:
    """Return the text of every log file."""
    return {path.name: path.read_text(errors="replace") for path in sorted(folder.glob("*.log"))}


READERS = {
    "parquet": read_parquet,
    "csv": read_csv,
    "tensorboard": read_tensorboard,
    "log": read_log,
}


def read_outputs(folder: Path) -> dict[str, Any]:
    """Return the content of all sink files."""
    return {name: read(folder) for name, read in READERS.items()}
