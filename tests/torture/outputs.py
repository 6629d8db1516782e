"""The outputs of a busy run, each read with what its users read it with.

A reader raises when a file can't be read, or holds what was never logged.
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
from tests.torture.busy import TYPES, text_of

__all__ = [
    "READERS",
    "Row",
    "find_torn",
    "read_current_steps",
    "read_journal",
    "read_journal_elsewhere",
]

# It warns of every attempt that takes the place of an earlier one: that is what attempts are for.
logging.getLogger("tensorboard").setLevel(logging.ERROR)


class Row(NamedTuple):
    """One of the numbered events, as an output has it."""

    attempt: int
    seq: int
    number: int


def read_journal(folder: Path) -> list[Row]:
    """Read with `open_run`, torn last line or not; that DuckDB reads rotated files is tried too."""
    if not any(folder.glob("events*.jsonl*")):
        return []
    if any(folder.glob("events.*.jsonl*")):
        with duckdb.connect() as connection:
            connection.execute(f"select count(*) from read_json('{folder}/events.*.jsonl*')")
    events = [e for e in open_run(folder, attempts="all") if e["event"] in TYPES]
    assert all(e["text"] == text_of(int(e["number"])) for e in events)
    return [_row(e) for e in events]


def read_journal_elsewhere(folder: Path) -> dict[str, int]:
    """Count lines, rows and rows that say what they are, of all files, by who reads them."""
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
    # In one block: a file is small, and pyarrow takes the types of fields from the first.
    whole = pyarrow.json.ReadOptions(block_size=1 << 24)
    with pa.input_stream(str(path)) as stream:
        return pyarrow.json.read_json(io.BytesIO(stream.read()), whole)


def read_parquet(folder: Path) -> list[Row]:
    """Read every type's folder with DuckDB and pyarrow, which must agree."""
    rows: list[Row] = []
    for event_type in sorted(p.name for p in (folder / "parquet").glob("[!.]*")):
        path = folder / "parquet" / event_type
        if not any(path.glob("*.parquet")):
            continue
        number = "number" if event_type in TYPES else "-1"
        query = f"select attempt, seq, {number} from read_parquet('{path}/*.parquet')"
        with duckdb.connect() as connection:
            found = connection.execute(query).fetchall()
        assert len(found) == pq.read_table(path).num_rows
        if event_type in TYPES:
            rows += [Row(attempt, seq, int(value)) for attempt, seq, value in found]
    return rows


def read_csv(folder: Path) -> list[Row]:
    """Read with the csv module; every row has the header's length, but for a torn last one."""
    path = folder / "rows.csv"
    text = path.read_bytes().decode(errors="replace") if path.exists() else ""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    rows = list(reader)
    if rows and not _is_whole(text):
        rows.pop()
    assert all(len(row) == len(header) for row in rows)
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    numbered = [c for c in cells if c["number"]]
    assert all(c["text"] == text_of(int(float(c["number"]))) for c in numbered)
    return [_row(c) for c in numbered]


def read_tensorboard(folder: Path) -> list[Row]:
    """Read every record with TensorBoard's own loader, which checks each checksum.

    A record tells neither attempt nor `seq`: each `SessionLog.START` begins an attempt, and
    the step, which is the number, stands for the other.
    """
    rows: list[Row] = []
    attempt = -1
    for path in sorted((folder / "tensorboard").glob("events*")):
        for record in EventFileLoader(str(path)).Load():
            attempt += record.session_log.status == SessionLog.START
            rows += [
                Row(attempt, int(record.step), int(record.step))
                for v in record.summary.value
                if _is_x(v)
            ]
    return rows


def read_current_steps(folder: Path) -> list[int]:
    """Return the steps that TensorBoard shows: those of the latest attempt win."""
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


def _is_whole(text: str) -> bool:
    return text.endswith("\n") and text.count('"') % 2 == 0


def _is_x(value: Any) -> bool:
    return str(value.tag).endswith("/number")


def find_torn(folder: Path) -> Iterator[str]:
    """Yield the names of text files whose end is no newline, or with two pieces in one line."""
    for path in (*folder.glob("events*.jsonl"), folder / "training.log", folder / "rows.csv"):
        content = path.read_bytes() if path.exists() else b""
        if content and not content.endswith(b"\n"):
            yield path.name
        if path.suffix == ".log" and any(li.count(b" INFO ") > 1 for li in content.split(b"\n")):
            yield path.name
