"""Readers of a busy run's files; each uses the library that users read the format with.

A reader raises an exception if a file can't be read, or has content that was never logged.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import SessionLog

from logflume import open_run
from tests.torture.busy_run import TYPES, text_for

__all__ = [
    "READERS",
    "Row",
    "count_journal_rows",
    "find_torn_files",
    "read_journal",
    "read_latest_steps",
]

# It warns of every attempt that supersedes an earlier one, which is expected here.
logging.getLogger("tensorboard").setLevel(logging.ERROR)


class Row(NamedTuple):
    """The identity of one numbered event in a sink's files."""

    attempt: int
    seq: int
    number: int


def read_journal(folder: Path) -> list[Row]:
    """Read the journal with `open_run`, and the rotated files with DuckDB as well."""
    if not any(folder.glob("events*.jsonl*")):
        return []
    if any(folder.glob("events.*.jsonl*")):
        with duckdb.connect() as connection:
            connection.execute(f"select count(*) from read_json('{folder}/events.*.jsonl*')")
    events = [e for e in open_run(folder, attempts="all") if e["event"] in TYPES]
    assert all(e["text"] == text_for(int(e["number"])) for e in events)
    return [_row(e) for e in events]


def count_journal_rows(folder: Path) -> dict[str, int]:
    """Count the journal's rows with different readers, and those with an event type."""
    files = [path for path in folder.glob("events*.jsonl*") if path.stat().st_size]
    tables = [_read_with_pyarrow(path) for path in files]
    query = (
        f"select count(*), count(event) from read_json('{folder}/events*.jsonl*', "
        "format = 'newline_delimited', union_by_name = true)"
    )
    with duckdb.connect() as connection:
        (rows,) = connection.execute(query).fetchall()
    return {
        "open_run": len(list(open_run(folder, attempts="all"))),
        "pyarrow": sum(table.num_rows for table in tables),
        "DuckDB": rows[0],
        "DuckDB, not null": rows[1],
    }


def _read_with_pyarrow(path: Path) -> pa.Table:
    # One block is enough for such a file, and pyarrow infers the types from the first block only.
    options = pyarrow.json.ReadOptions(block_size=1 << 24)
    with pa.input_stream(str(path)) as stream:
        return pyarrow.json.read_json(io.BytesIO(stream.read()), options)


def read_parquet(folder: Path) -> list[Row]:
    """Read the tables of all event types with DuckDB and pyarrow, which must agree."""
    rows: list[Row] = []
    for event_type in sorted(p.name for p in (folder / "parquet").glob("[!.]*")):
        path = folder / "parquet" / event_type
        if not any(path.glob("*.parquet")):
            continue
        number = "number" if event_type in TYPES else "-1"
        query = f"select attempt, seq, {number} from read_parquet('{path}/*.parquet')"
        with duckdb.connect() as connection:
            records = connection.execute(query).fetchall()
        assert len(records) == pq.read_table(path).num_rows
        if event_type in TYPES:
            rows += [Row(attempt, seq, int(value)) for attempt, seq, value in records]
    return rows


def read_csv(folder: Path) -> list[Row]:
    """Read with the csv module; every row but a torn last one is as long as the header."""
    path = folder / "rows.csv"
    text = path.read_bytes().decode(errors="replace") if path.exists() else ""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    rows = list(reader)
    if rows and not _has_complete_last_row(text):
        rows.pop()
    assert all(len(row) == len(header) for row in rows)
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    numbered = [c for c in cells if c["number"]]
    assert all(c["text"] == text_for(int(float(c["number"]))) for c in numbered)
    return [_row(c) for c in numbered]


def read_tensorboard(folder: Path) -> list[Row]:
    """Read every record with TensorBoard's own loader, which verifies each checksum.

    A record contains neither the attempt nor `seq`. Each `SessionLog.START` begins an attempt, and
    the step, which equals the number, stands in for `seq`.
    """
    rows: list[Row] = []
    attempt = -1
    for path in sorted((folder / "tensorboard").glob("events*")):
        for record in EventFileLoader(str(path)).Load():
            attempt += record.session_log.status == SessionLog.START
            rows += [
                Row(attempt, int(record.step), int(record.step))
                for value in record.summary.value
                if _is_number(value)
            ]
    return rows


def read_latest_steps(folder: Path) -> list[int]:
    """Return the steps that TensorBoard shows; those of the latest attempt supersede others."""
    accumulator = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = [f"{event_type}/number" for event_type in TYPES]
    known = accumulator.Tags()["scalars"]
    return sorted(s.step for tag in tags if tag in known for s in accumulator.Scalars(tag))


READERS: Mapping[str, Callable[[Path], list[Row]]] = {
    "journal": read_journal,
    "parquet": read_parquet,
    "csv": read_csv,
    "tensorboard": read_tensorboard,
}


def _row(event: Mapping[str, Any]) -> Row:
    return Row(int(event["attempt"]), int(event["seq"]), int(float(event["number"])))


def _has_complete_last_row(text: str) -> bool:
    return text.endswith("\n") and text.count('"') % 2 == 0


def _is_number(value: Any) -> bool:
    return str(value.tag).endswith("/number")


def find_torn_files(folder: Path) -> Iterator[str]:
    """Yield the names of text files that don't end in a newline or have two records in a line."""
    for path in (*folder.glob("events*.jsonl"), folder / "training.log", folder / "rows.csv"):
        content = path.read_bytes() if path.exists() else b""
        if content and not content.endswith(b"\n"):
            yield path.name
        if path.suffix == ".log" and any(li.count(b" INFO ") > 1 for li in content.split(b"\n")):
            yield path.name
