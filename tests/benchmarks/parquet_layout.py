"""What each choice in the layout of Parquet parts is worth, as ratios within one run.

    python -m tests.benchmarks.parquet_layout

The same 100,000 completions and 1,600 reward events, as the sink writes them and with one choice
changed. Sizes are of the file and of its footer. Times are of the processor: writing, then three
questions, each asked of pyarrow (A) and of DuckDB (D): the mean reward, the worst 20 completions
of one step, one event by its `seq`. Everything is divided by the first line.
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
Question = Callable[[Path], object]


def main() -> None:
    """Measure and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        for event_type, questions in (("model_output", OF_OUTPUTS), ("reward", OF_REWARDS)):
            table = make_table(event_type)
            columns = ("bytes", "footer", "write", *questions)
            print(
                f"\n{f'{table.num_rows:,} {event_type}':34}"
                + "".join(map("{:>10}".format, columns))
            )
            first: list[float] = []
            for name, write in alternatives(table.schema):
                found = measure(Path(folder, "part.parquet"), table, write, questions)
                first = first or found
                print_row(name, [value / of for value, of in zip(found, first, strict=True)])
            print_row("the first line, in kB and ms", first)


def print_row(name: str, values: Sequence[float]) -> None:
    """Print a row of the table."""
    print(f"{name:34}" + "".join(f"{value:10,.2f}" for value in values), flush=True)


def make_table(event_type: str) -> pa.Table:
    """Return all events of a type of one run."""
    columns = Columns(event_type, {}, print)
    events = GrpoRun(RunInfo(run="r"), Recipe(text_characters=900)).steps(STEPS)
    wanted = (event for event in events if event["event"] == event_type)
    chunks = iter(lambda: list(islice(wanted, 1_000)), [])
    return pa.concat_tables([columns.to_table(chunk) for chunk in chunks]).combine_chunks()


def alternatives(schema: pa.Schema) -> Iterator[tuple[str, Write]]:
    """Yield ways to write, by name: the sink's own, and others that differ in one choice."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    others = [name for name in schema.names if name not in texts or name in ("event", "run")]
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    yield "as the sink writes it", lambda path, table: write_file(path, table.schema, [table])
    chosen: dict[str, Any] = {
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
        "statistics of texts, too": {"write_statistics": True},
        "no statistics": {"write_statistics": False},
        "with the Arrow schema": {"store_schema": True},
        "page index": {"write_page_index": True},
        "page index, pages of 500 rows": {"write_page_index": True, "max_rows_per_page": 500},
        "data pages of version 2": {"data_page_version": "2.0"},
        "bloom filter on seq": {"bloom_filter_options": {"seq": {"ndv": 6_000}}},
        "seq and timestamp as differences": {
            "use_dictionary": [
                leaf_name(f) for f in schema if f.name not in ("seq", "timestamp", *floats)
            ],
            "column_encoding": dict.fromkeys(["seq", "timestamp"], "DELTA_BINARY_PACKED"),
        },
        "numbers split by bytes": {"use_dictionary": texts, "use_byte_stream_split": floats},
    }
    for name, change in changes.items():
        yield name, partial(_write, **chosen | change)
    yield "steps mixed, rows as they come", lambda path, table: _write(path, _mix(table), **chosen)


def _write(path: Path, table: pa.Table, *, row_group_mb: int, **options: Any) -> None:
    rows = max(1, table.num_rows * row_group_mb * 2**20 // table.nbytes)
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        writer.write_table(table, row_group_size=rows)


def _mix(table: pa.Table) -> pa.Table:
    """Return the rows as if the steps were logged at the same time."""
    return table.take(np.random.default_rng(0).permutation(table.num_rows))


def measure(
    path: Path, table: pa.Table, write: Write, questions: dict[str, Question]
) -> list[float]:
    """Return the sizes in kB and the times in ms."""
    write_ms = _least_ms(lambda: write(path, table), 2)
    sizes = [path.stat().st_size / 1e3, pq.read_metadata(path).serialized_size / 1e3]
    return [
        *sizes,
        write_ms,
        *(_least_ms(partial(ask, path), ROUNDS) for ask in questions.values()),
    ]


def _least_ms(call: Callable[[], object], rounds: int) -> float:
    times_s = []
    for _ in range(rounds):
        started_s = time.process_time()
        call()
        times_s.append(time.process_time() - started_s)
    return min(times_s) * 1e3


def arrow_curve(column: str, path: Path) -> pa.Table:
    """Read the steps and one number of each."""
    return ds.dataset([path]).to_table(columns=["step", column])


def arrow_worst(path: Path) -> pa.Table:
    """Read the rewards of a step first, then the 20 completions."""
    events = ds.dataset([path])
    of_step = events.to_table(columns=["seq", REWARD], filter=pc.field("step") == STEPS // 2)
    seqs = of_step.sort_by(REWARD)["seq"].to_pylist()[:20]
    return events.to_table(filter=reduce(or_, [pc.field("seq") == seq for seq in seqs]))


def arrow_seq(path: Path) -> pa.Table:
    """Read one event."""
    return ds.dataset([path]).to_table(filter=pc.field("seq") == 30_000)


def duck(query: str, path: Path) -> object:
    """Ask DuckDB."""
    with duckdb.connect(config={"threads": 2}) as connection:
        return connection.execute(query.format(path)).fetchall()


OF_OUTPUTS: dict[str, Question] = {
    "mean (A)": partial(arrow_curve, REWARD),
    "mean (D)": partial(duck, f"select avg(\"{REWARD}\") from '{{}}'"),
    "worst (A)": arrow_worst,
    "worst (D)": partial(
        duck, f"from '{{}}' where step = {STEPS // 2} order by \"{REWARD}\", seq limit 20"
    ),
    "seq (A)": arrow_seq,
    "seq (D)": partial(duck, "from '{}' where seq = 30000"),
}
OF_REWARDS: dict[str, Question] = {
    "curve (A)": partial(arrow_curve, f"{REWARD}/mean"),
    "curve (D)": partial(duck, f"select step, \"{REWARD}/mean\" from '{{}}'"),
}


if __name__ == "__main__":
    main()
