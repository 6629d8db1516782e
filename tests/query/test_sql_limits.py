"""`run.sql` and `--where`: one query, of the run's events only, whatever their names are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import logflume
from logflume.exceptions import QueryError, RunError
from logflume.query import connection
from logflume.query.open_run import Run
from logflume.query.sql_filter import SqlFilter

FOREIGN_NAMES = ['x" as select 1; --', "it's", "a]b*?", 'q""q', "semi;colon"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with Parquet, in a folder whose name has all that SQL and patterns treat specially."""
    info = logflume.initialize(dir=tmp_path / "it's [1]*", run="r")
    logflume.get_logger().info("training", step=1, loss=0.5)
    logflume.shutdown()
    return logflume.open_run(info.folder)


def test_the_views_read_the_files_of_the_run(run: Run) -> None:
    """Events in Parquet, metrics, pivots and descriptions work within the limits."""
    assert [{"loss": 0.5}] == run.sql("select loss from training;").to_pylist()
    assert [{"value": 0.5}] == run.sql("select value from metrics where name = 'loss'").to_pylist()
    assert 1 == len(run.sql("pivot training on mode using max(loss) group by step"))
    assert "loss" in run.sql("describe training")["column_name"].to_pylist()


@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_names_from_data_are_quoted(name: str, run: Run) -> None:
    """An event type of any name is a view of that name, and its fields are columns."""
    journal = Path(run.folder, "events.jsonl")
    lines = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    for line in lines:
        if line["event"] == "training":
            line |= {"event": name, name: 7.0}
    journal.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    Path(run.folder, "run.json").unlink()
    quoted = '"' + name.replace('"', '""') + '"'

    assert [{name: 7.0}] == run.sql(f"select {quoted} from {quoted}").to_pylist()
    assert 1 == len(SqlFilter(f"{quoted} = 7")([line for line in lines if line["event"] == name]))


@pytest.mark.parametrize(
    "query",
    [
        "select 1; drop view training",
        "select * from read_text('{file}')",
        "select * from '{file}'",
        "select * from glob('{folder}/*')",
        "copy (select 1 as a) to '{file}'",
        "copy (pivot training on mode using max(loss)) to '{file}'",
        "explain analyze copy (select 1 as a) to '{file}'",
        "attach '{folder}/new.db'",
        "set enable_external_access = true",
        "install httpfs",
        "pragma database_list",
        "select * from lines",
    ],
)
def test_a_query_reaches_nothing_else(query: str, run: Run, tmp_path: Path) -> None:
    """Files, extensions, settings, variables and further statements are refused."""
    file = tmp_path / "other.csv"
    file.write_text("a\n1\n")
    lines = [1]  # a variable that DuckDB would read

    with pytest.raises(QueryError):
        run.sql(query.format(file=file, folder=tmp_path))
    assert lines == [1]
    assert (file.read_text(), 2) == ("a\n1\n", len(list(tmp_path.iterdir())))


def test_other_files_on_request(run: Run, tmp_path: Path) -> None:
    """With `external`, a query can join a file of the user's."""
    file = tmp_path / "other.csv"
    file.write_text("step,note\n1,good\n")
    query = f"select note from training join '{file}' using (step)"

    assert [{"note": "good"}] == run.sql(query, external=True).to_pylist()
    with pytest.raises(QueryError, match="option `external`"):
        run.sql(query)


@pytest.mark.parametrize(
    "condition", ["true); select (1", "true; drop table x", "loss in (select 1 from '/etc/passwd')"]
)
def test_a_condition_reaches_nothing_else(condition: str) -> None:
    """A condition is one, and reads no files; it may end in a comment."""
    events = [{"event": "training", "loss": 0.5}]

    assert events == SqlFilter("loss < 1 -- low")(events)
    with pytest.raises(QueryError):
        SqlFilter(condition)(events)


def repeated(text: str, rows: int) -> pa.Array[Any]:
    indices = pa.repeat(pa.scalar(0, pa.int32()), rows)
    return pa.DictionaryArray.from_arrays(indices, pa.array([text]))


@pytest.fixture
def bomb(run: Run) -> Run:
    """A run with a part of 150 kB, whose text is 150 GB if each row has a copy of it."""
    (part,) = Path(run.folder, "parquet", "training").glob("*.parquet")
    columns = {name: pa.repeat(c[0], 1_500_000) for name, c in named_columns(part)}
    columns["text"] = repeated("x" * 100_000, 1_500_000)
    pq.write_table(pa.table(columns), part, compression="zstd", store_schema=False)
    return logflume.open_run(run.folder)


@pytest.mark.parametrize(
    "query",
    [
        "select text from training",
        "select text || step from training",
        "select x from range(100_000_000) as t(x)",
        "select list(x) from range(100_000_000) as t(x)",
        "select repeat('x', 100_000) from range(1_000_000)",
    ],
)
def test_the_memory_of_a_query_and_of_its_result_is_limited(
    query: str, bomb: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that needs more ends with an error, and creates no file in the current folder."""
    monkeypatch.setattr(connection, "memory_limit_bytes", lambda: 4 * 10**8)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(QueryError, match="half of the memory"):
        bomb.sql(query)
    assert before == sorted(tmp_path.rglob("*"))


def named_columns(part: Path) -> Iterator[tuple[str, pa.ChunkedArray[Any]]]:
    table = pq.ParquetFile(part).read()
    return zip(table.column_names, table.columns, strict=True)


def test_a_part_is_checked_before_duckdb_reads_it(run: Run) -> None:
    """A part of 20 kB with 80 million numbers is refused, for a query that counts rows, too."""
    (part,) = Path(run.folder, "parquet", "training").glob("*.parquet")
    columns = {name: pa.repeat(c[0], 80) for name, c in named_columns(part)}
    offsets = pa.array(range(0, 80_000_001, 1_000_000), pa.int32())
    columns["numbers"] = pa.ListArray.from_arrays(offsets, pa.repeat(pa.scalar(0.0), 80_000_000))
    pq.write_table(pa.table(columns), part, compression="zstd", store_schema=False)

    with pytest.raises(RunError, match="more than 1,000 times its size"):
        logflume.open_run(run.folder).sql("select count(*) from training")
