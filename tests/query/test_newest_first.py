"""Completions in pieces, queries of one moment, and what is left of damaged runs."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.exceptions import QueryError, RunError
from tests.maintenance.runs import write_run
from tests.query.rollout_runs import Completion, write_attempts

COLUMNS = ["step", "seq", "rank", "model_output"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two attempts and two ranks, whose second attempt repeats steps."""
    attempts = [
        {
            rank: [
                Completion(step % 3, 0, index, index / 2, index == 0, "x", step)
                for step in steps
                for index in range(3)
            ]
            for rank in range(2)
        }
        for steps in (range(1, 8), range(6, 12))
    ]
    return write_attempts(tmp_path_factory.mktemp("logs"), attempts)


@settings(max_examples=20, deadline=None)
@given(
    filters=st.fixed_dictionaries(
        {},
        optional={
            "search": st.sampled_from(["completion 1", "COMPLETION", "nothing", ""]),
            "min_reward": st.sampled_from([0.0, 0.5, 2.0]),
            "correct": st.booleans(),
            "where": st.sampled_from(["step > 3", "rank = 1 and step < 9", "step is null"]),
            "steps": st.sampled_from([(2, 8), (None, 4), 6]),
        },
    )
)
def test_the_pieces_together_are_the_outputs(folder: Path, filters: dict[str, Any]) -> None:
    """Each completion is in one piece, and no piece has older steps than the next."""
    run = logflume.open_run(folder)

    pieces = list(run.iter_outputs(**filters, columns=COLUMNS))

    expected = run.outputs(**filters, columns=COLUMNS).to_pylist()
    found = [row for piece in pieces for row in piece.outputs.to_pylist()]
    key = lambda row: (row["step"], row["rank"], row["seq"])  # noqa: E731
    assert sorted(expected, key=key) == sorted(found, key=key)
    newest = [max(p.outputs["step"].to_pylist()) for p in pieces if len(p.outputs)]
    assert sorted(newest, reverse=True) == newest
    assert all(piece.searched <= piece.total for piece in pieces)
    assert not pieces or pieces[-1].searched == pieces[-1].total


def test_the_steps_with_completions(folder: Path) -> None:
    """There is one row for each step and mode."""
    assert list(range(1, 12)) == logflume.open_run(folder).output_steps()["step"].to_pylist()


def test_an_invalid_filter_is_an_error_of_the_first_piece(folder: Path) -> None:
    """It says the same as that of `outputs`."""
    with pytest.raises(QueryError, match="no field 'nope'"):
        next(logflume.open_run(folder).iter_outputs(columns=["nope"]))


def test_the_queries_of_a_pinned_run_fit_together(tmp_path: Path) -> None:
    """What is logged between two queries is in neither; another run object has it."""
    run = logflume.open_run(write_run(tmp_path, range(2)))
    pinned = run.pinned()
    before = pinned.output_steps()["step"].to_pylist()

    write_run(tmp_path, range(2, 3))

    assert [0, 1] == before == pinned.output_steps()["step"].to_pylist()
    assert [0, 1, 2] == run.output_steps()["step"].to_pylist()


def test_a_footer_is_freed_at_once(folder: Path) -> None:
    """No cycle of references keeps it: it may take megabytes, and a server reads many."""
    run = logflume.open_run(folder)
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            run.outputs(search="completion", columns=["step"])
            run.outputs(worst=2)
            run.types()
        kept = [one for one in gc.get_objects() if type(one) is pq.FileMetaData]
    finally:
        gc.enable()

    assert [] == kept


def test_what_is_left_of_a_damaged_run_can_be_read(tmp_path: Path) -> None:
    """A salvaged run has the events of all lines but those that are none."""
    run = logflume.open_run(write_run(tmp_path, range(4)))
    types = run.types()
    part = next(run.folder.glob("parquet/training/*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(RunError, match=part.name):
        run.metrics("loss")

    assert types == run.salvaged().types()
    journal = run.folder / "events.jsonl"
    journal.write_text(journal.read_text().replace('"level":"info"', '"level":{"no":"text"}', 1))
    assert sum(types.values()) - 1 == sum(run.salvaged().types().values())
    assert "finished" == run.salvaged().info.status
