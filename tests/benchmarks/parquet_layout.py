"""A benchmark of the layout of Parquet parts: each choice against its alternatives.

    python -m tests.benchmarks.parquet_layout

It writes the same 100,000 completions and 1,600 `reward` events with the sink's layout, and then
with one choice changed at a time. Sizes are those of the file and of its footer. Times are CPU
times: of writing, and of three queries, each with pyarrow (A) and DuckDB (D): the mean reward, the
worst 20 completions of one step, and one event by its `seq`. All figures are relative to the first
line.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from itertools import islice
from operator import or_
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from logflume.formats.parquet import leaf_name, write_file
from logflume.runs.info import RunInfo
from logflume.values.arrow import Columns
from tests.benchmarks.grpo_events import GrpoRun, Recipe

STEPS = 1_600
ROUNDS = 5
REWARD = "rewards/total"
Write = Callable[[Path, pa.Table], object]
Query = Callable[[Path], object]


def main() -> None:
    """Measure and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        for event_type, queries in (
            ("model_output", COMPLETION_QUERIES),
            ("reward", REWARD_QUERIES),
        ):
            table = make_table(event_type)
            columns = ("bytes", "footer", "write", *queries)
            print(
                f"\n{f'{table.num_rows:,} {event_type}':34}"
                + "".join(map("{:>10}".format, columns))
            )
            first: list[float] = []
            for name, write in alternatives(table.schema):
                figures = measure(Path(folder, "part.parquet"), table, write, queries)
                first = first or figures
                print_row(name, [value / of for value, of in zip(figures, first, strict=True)])
            print_row("the first line, in kB and ms", first)


def print_row(name: str, values: Sequence[float]) -> None:
    """Print one row of the table."""
    print(f"{name:34}" + "".join(f"{value:10,.2f}" for value in values), flush=True)


def make_table(event_type: str) -> pa.Table:
    """Return all events of one type as a table."""
    columns = Columns(event_type, {}, print)
    events = GrpoRun(RunInfo(run="r"), Recipe(text_characters=900)).steps(STEPS)
    selected = (event for event in events if event["event"] == event_type)
    chunks = iter(lambda: list(islice(selected, 1_000)), [])
    return pa.concat_tables([columns.to_table(chunk) for chunk in chunks]).combine_chunks()


def alternatives(schema: pa.Schema) -> Iterator[tuple[str, Write]]:
    """Yield write functions by name: the sink's own, and others that differ in one choice."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    others = [name for name in schema.names if name not in texts or name in ("event", "run")]
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    yield "as the sink writes it", lambda path, table: write_file(path, table.schema, [table])
    sink_options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 3,
        "write_statistics": others,
        "store_schema": False,
        "use_dictionary": [leaf_name(f) for f in schema if f.name not in floats],
        "row_group_mb": 8,
    }
    changes: dict[str, dict[str, Any]] = {
        **{f"row groups of {size} MB": {"row_group_mb": size} for size in (1, 4, 16, 32, 64, 256)},
        **{f"zstd level {level}": {"compression_level": level} for level in (1, 5, 9)},
        "snappy": {"compression": "snappy", "compression_level": None},
        "no dictionaries": {"use_dictionary": False},
        "dictionaries for all": {"use_dictionary": True},
        "dictionaries for texts only": {"use_dictionary": texts},
        "statistics for texts as well": {"write_statistics": True},
        "no statistics": {"write_statistics": False},
        "with the Arrow schema": {"store_schema": True},
        "page index": {"write_page_index": True},
        "page index, pages of 500 rows": {"write_page_index": True, "max_rows_per_page": 500},
        "data pages of version 2": {"data_page_version": "2.0"},
        "bloom filter on seq": {"bloom_filter_options": {"seq": {"ndv": 6_000}}},
        "seq, timestamp delta-encoded": {
            "use_dictionary": [
                leaf_name(f) for f in schema if f.name not in ("seq", "timestamp", *floats)
            ],
            "column_encoding": dict.fromkeys(["seq", "timestamp"], "DELTA_BINARY_PACKED"),
        },
        "byte stream split for numbers": {"use_dictionary": texts, "use_byte_stream_split": floats},
    }
    for name, change in changes.items():
        yield name, partial(_write, **sink_options | change)
    yield (
        "steps mixed, rows unsorted",
        lambda path, table: _write(path, _mix(table), **sink_options),
    )


def _write(path: Path, table: pa.Table, *, row_group_mb: int, **options: Any) -> None:
    rows = max(1, table.num_rows * row_group_mb * 2**20 // table.nbytes)
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        writer.write_table(table, row_group_size=rows)


def _mix(table: pa.Table) -> pa.Table:
    """Return the rows in random order, as if all steps were logged at the same time."""
    return table.take(np.random.default_rng(0).permutation(table.num_rows))


def measure(path: Path, table: pa.Table, write: Write, queries: dict[str, Query]) -> list[float]:
    """Return the sizes in kB and the times in ms, in the order of the columns."""
    write_ms = _least_ms(lambda: write(path, table), 2)
    sizes = [path.stat().st_size / 1e3, pq.read_metadata(path).serialized_size / 1e3]
    return [
        *sizes,
        write_ms,
        *(_least_ms(partial(query, path), ROUNDS) for query in queries.values()),
    ]


def _least_ms(call: Callable[[], object], rounds: int) -> float:
    times_s = []
    for _ in range(rounds):
        started_s = time.process_time()
        call()
        times_s.append(time.process_time() - started_s)
    return min(times_s) * 1e3


def arrow_curve(column: str, path: Path) -> pa.Table:
    """Read the steps and one numeric column."""
    return ds.dataset([path]).to_table(columns=["step", column])


def arrow_worst(path: Path) -> pa.Table:
    """Read the rewards of one step, then its 20 worst completions."""
    events = ds.dataset([path])
    of_step = events.to_table(columns=["seq", REWARD], filter=pc.field("step") == STEPS // 2)
    seqs = of_step.sort_by(REWARD)["seq"].to_pylist()[:20]
    return events.to_table(filter=reduce(or_, [pc.field("seq") == seq for seq in seqs]))


def arrow_seq(path: Path) -> pa.Table:
    """Read one event by its `seq`."""
    return ds.dataset([path]).to_table(filter=pc.field("seq") == 30_000)


def run_sql(query: str, path: Path) -> object:
    """Run a query with DuckDB."""
    with duckdb.connect(config={"threads": 2}) as connection:
        return connection.execute(query.format(path)).fetchall()


COMPLETION_QUERIES: dict[str, Query] = {
    "mean (A)": partial(arrow_curve, REWARD),
    "mean (D)": partial(run_sql, f"select avg(\"{REWARD}\") from '{{}}'"),
    "worst (A)": arrow_worst,
    "worst (D)": partial(
        run_sql, f"from '{{}}' where step = {STEPS // 2} order by \"{REWARD}\", seq limit 20"
    ),
    "seq (A)": arrow_seq,
    "seq (D)": partial(run_sql, "from '{}' where seq = 30000"),
}
REWARD_QUERIES: dict[str, Query] = {
    "curve (A)": partial(arrow_curve, f"{REWARD}/mean"),
    "curve (D)": partial(run_sql, f"select step, \"{REWARD}/mean\" from '{{}}'"),
}


if __name__ == "__main__":
    main()
