"""CSV files in other readers: the csv module, pandas, Polars and DuckDB."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

import logflume
from tests.csv_files import make_event, read, write
from tests.event_helpers import RESERVED

TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\",\r\n\0\t'=-;| "), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
@example(rows=[("a\rb", 'c"d\n"'), ("\r\n", "\0"), (",", '"'), ("x", "\r")])
def test_every_reader_reads_the_same(rows: Sequence[tuple[str, str]]) -> None:
    """The csv module, pandas, Polars and DuckDB agree on every row, whatever the texts are."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        events = [make_event(seq=n, x=x, y=y) for n, (x, y) in enumerate(rows)]
        write(path, *events, columns=[*RESERVED, "x", "y"])
        by_csv = [(row["seq"], row["x"], row["y"]) for row in read(path)]
        by_pandas = pd.read_csv(path, dtype=str, keep_default_na=False)
        by_polars = pl.read_csv(path, infer_schema=False).fill_null("")
        by_duckdb = duckdb.execute(
            f"SELECT seq, coalesce(x, ''), coalesce(y, '') FROM read_csv('{path}', header=true,"
            " all_varchar=true, delim=',', quote='\"', escape='\"')"
        )

        assert [str(n) for n in range(len(rows))] == [seq for seq, _, _ in by_csv]
        assert all(
            is_cell_of(cell, text)
            for (_, *cells), texts in zip(by_csv, rows, strict=True)
            for cell, text in zip(cells, texts, strict=True)
        )
        assert by_csv == list(by_pandas[["seq", "x", "y"]].itertuples(index=False, name=None))
        assert by_csv == by_polars.select("seq", "x", "y").rows()
        assert by_csv == sorted(by_duckdb.fetchall(), key=lambda row: int(row[0]))


def is_cell_of(cell: str, text: str) -> bool:
    """Whether a cell contains the text, unchanged or neutralized."""
    shown = text.replace("\0", "\\x00")
    return cell in (shown, "'" + shown)


def test_default_options(tmp_path: Path) -> None:
    """A file of typical completions needs no options: numbers are numbers in every reader."""
    path = tmp_path / "a.csv"
    text = '<reasoning>\n2+2=4, "sure"\n</reasoning>\n<answer>\n4\n</answer>'
    events = [make_event(seq=n, model_output=text, advantage=n / 2) for n in range(3)]
    write(path, *events, events=["model_output"])

    expected = {"seq": [0, 1, 2], "advantage": [0.0, 0.5, 1.0], "model_output": [text] * 3}
    names = list(expected)
    assert expected == pd.read_csv(path)[names].to_dict("list")
    assert expected == pl.read_csv(path).select(names).to_dict(as_series=False)
    rows = duckdb.execute(f"SELECT seq, advantage, model_output FROM '{path}'").fetchall()
    assert list(zip(*expected.values(), strict=True)) == rows


def test_in_the_pipeline(tmp_path: Path) -> None:
    """A CSV sink has a thread of its own, and `flush` waits for it."""
    path = tmp_path / "a.csv"
    logflume.initialize(
        {"root": {"sinks": ["csv"]}, "sinks": {"csv": {"path": str(path), "events": ["probe"]}}},
        dir=tmp_path,
    )
    for number in range(100):
        logflume.get_logger().info("probe", number=number)

    assert logflume.flush()
    assert [float(n) for n in range(100)] == [json.loads(r["extras"])["number"] for r in read(path)]
