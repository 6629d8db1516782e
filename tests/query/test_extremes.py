"""The completions with the highest or lowest rewards, found by the limits of Parquet files."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.exceptions import QueryError
from logflume.formats.parquet_file import ParquetFile
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.sinks.jsonl import JsonlSink
from logflume.sinks.parquet.sink import ParquetSink
from logflume.values.normalize import Normalizer
from tests.query.independent import journaled
from tests.query.training_run import start

REWARDS = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 0.5, 1.0, math.nan, math.inf, -math.inf])
)
COMPLETIONS = st.tuples(st.one_of(st.none(), st.integers(-2, 5)), REWARDS)
RANKS = st.lists(st.lists(COMPLETIONS, max_size=8), min_size=1, max_size=5).filter(any)


def write_ranks(folder: Path, ranks: list[list[Any]], **fields: Any) -> Path:
    """Write completions of live ranks in parts of three, of which the last is in the journal."""
    for rank, completions in enumerate(ranks):
        if not completions:
            continue
        run = RunInfo(run="r", dir=folder, rank=rank)
        normalizer = Normalizer(run)
        header = {"timestamp": "2026-01-01T00:00:00.000000Z", "level": "info", "logger": "model"}
        events = [
            normalizer.finish(
                {**header, "event": "model_output", "step": step, "rewards/total": reward, **fields}
            )
            for step, reward in completions
        ]
        journal = JsonlSink(run.expand("{dir}/{run}/events.jsonl"))
        parquet = ParquetSink(run.expand("{dir}/{run}/parquet"), run=run)
        journal.write(events)
        for first in range(0, len(events) - 3, 3):
            parquet.write(events[first : first + 3])
            parquet.flush()
        journal.close()
        RunState(run="r", attempt=0, started="2026-01-01T00:00:00Z").save(run)
    return folder / "r"


def hide_sizes(folder: Path) -> Path:
    """Give the parts names of earlier versions, which don't show that they are small."""
    for part in folder.glob("parquet*/*/*.parquet"):
        part.rename(part.with_name(re.sub(r"-n\d+", "", part.name)))
    return folder


@settings(max_examples=60, deadline=None)
@given(RANKS, st.integers(0, 6), st.booleans(), st.booleans())
def test_the_worst_and_the_best_of_any_ranks(
    ranks: list[list[Any]], count: int, is_best: bool, has_sizes: bool
) -> None:
    """They are those of all rewards of the journals, sorted; ties by step, rank and `seq`."""
    with tempfile.TemporaryDirectory() as folder:
        written = write_ranks(Path(folder), ranks)
        run = logflume.open_run(written if has_sizes else hide_sizes(written))
        found = run.outputs(best=count) if is_best else run.outputs(worst=count)
        rows = found.to_pylist()
        events = [
            event
            for event in journaled(Path(folder, "r"), "model_output")
            if not math.isnan(event.get("rewards/total") or 0.0)
            and event.get("rewards/total") is not None
        ]
    sign = -1 if is_best else 1
    events.sort(
        key=lambda e: (
            sign * e["rewards/total"],
            math.inf if e["step"] is None else e["step"],
            e["rank"],
            e["seq"],
        )
    )
    expected = [(e["rank"], e["seq"], e["rewards/total"]) for e in events[:count]]
    assert expected == [(row["rank"], row["seq"], row["rewards/total"]) for row in rows]


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list to which each read of rows of a Parquet file is added."""
    reads: list[Path] = []
    read = ParquetFile.read

    def counted(self: ParquetFile, *arguments: Any) -> pa.Table:
        reads.append(self._path)
        return read(self, *arguments)

    monkeypatch.setattr(ParquetFile, "read", counted)
    return reads


def test_most_files_are_not_read_for_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those whose lowest reward may be among the lowest of all, unless they are small."""
    ranks = [[(step, float(rank)) for step in range(4)] for rank in range(40)]
    run = logflume.open_run(hide_sizes(write_ranks(tmp_path, ranks)))
    reads = count_reads(monkeypatch)
    rows = run.outputs(worst=2).to_pylist()
    assert [(0, 0), (0, 1)] == [(row["rank"], row["step"]) for row in rows]
    assert 1 <= len(set(reads)) < 20


def test_a_prompt_is_read_from_its_own_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completions of other ranks with the same `seq` are not read with all their columns."""
    ranks = [[(step, float(rank)) for step in range(4)] for rank in range(8)]
    run = logflume.open_run(write_ranks(tmp_path, ranks, question="1 + 1"))
    read_columns: list[tuple[Path, set[str]]] = []
    read = ParquetFile.read

    def noted(self: ParquetFile, columns: Any, *arguments: Any) -> pa.Table:
        read_columns.append((self._path, set(columns)))
        return read(self, columns, *arguments)

    monkeypatch.setattr(ParquetFile, "read", noted)
    assert [7] == run.outputs(min_reward=7, columns=["rank", "question"])[
        "rank"
    ].unique().to_pylist()
    texts = {path.parts[-3] for path, columns in read_columns if "question" in columns}
    assert {"parquet-rank7"} == texts


def test_a_column_that_only_other_ranks_have_is_null(tmp_path: Path) -> None:
    """Which ranks the selected completions are of doesn't change the columns."""
    for rank in (0, 1):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("RANK", str(rank))
            folder = start(tmp_path).folder
            extra = {"note": "only here"} if rank else {}
            logflume.get_model_logger().info(
                "model_output", step=1, **{"rewards/total": float(rank)}, **extra
            )
            logflume.shutdown()
    run = logflume.open_run(folder)
    assert [None] == run.outputs(worst=1, columns=["note"])["note"].to_pylist()
    with pytest.raises(QueryError, match="no field 'notes'; did you mean 'note'"):
        run.outputs(worst=1, columns=["notes"])


def test_rewards_that_are_texts_in_one_rank_are_an_error(tmp_path: Path) -> None:
    """As if all had been read."""
    write_ranks(tmp_path, [[(step, 1.0) for step in range(7)]], **{"judge/score": 0.5})
    write_ranks(tmp_path, [[], [(step, 1.0) for step in range(7)]], **{"judge/score": "good"})
    with pytest.raises(QueryError, match="'judge/score': it is not a number"):
        logflume.open_run(tmp_path / "r").outputs(worst=1, by="judge/score")
