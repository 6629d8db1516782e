"""Small Parquet parts put together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import logflume
from logflume.exceptions import RunError
from logflume.maintenance.compact import compact
from logflume.maintenance.doctor import diagnose
from tests.cli.commands import ask, refuse
from tests.maintenance.readers import read_parquet
from tests.maintenance.runs import log_steps, start, write_run
from tests.maintenance.test_kills import SCRIPT, kill, start_script, wait_for_line


def test_a_killed_run(tmp_path: Path) -> None:
    """Its many parts become one a type; the rows are the same, and the files are counted."""
    process = start_script(SCRIPT, str(tmp_path))
    assert "ready" == wait_for_line(process)
    kill(process)
    folder = tmp_path / "r"
    before = read_parquet(folder)
    files = len(list(folder.glob("parquet/*/*.parquet")))
    (done,) = compact(folder)

    assert before == read_parquet(folder)
    assert len(before) == len(list(folder.glob("parquet/*/*.parquet"))) == done.files
    assert files == done.files_before > done.files
    assert 0 < done.size_bytes < done.bytes_before


def test_a_live_run(tmp_path: Path) -> None:
    """It is refused: its parts are the writer's."""
    folder = start(tmp_path)
    log_steps(0)
    with pytest.raises(RunError, match="is writing this run"):
        list(compact(folder))
    logflume.shutdown()


def test_the_command(tmp_path: Path) -> None:
    """`logflume compact` tells files and bytes before and after, of each rank."""
    folder = write_run(tmp_path, range(2))
    write_run(tmp_path, range(2), rank=1)
    told = ask(tmp_path, "compact", "r").splitlines()
    assert 2 == len(told)
    assert told[0].startswith(f"{folder / 'parquet'}: ")
    by_rank = json.loads(ask(tmp_path, "compact", "r", "--json"))
    assert ["parquet", "parquet-rank1"] == [Path(one["path"]).name for one in by_rank]
    assert {"path", "files_before", "bytes_before", "files", "size_bytes"} == set(by_rank[0])
    assert [] == diagnose(folder)
    assert "no run here" in refuse(tmp_path, "compact", "nowhere")
