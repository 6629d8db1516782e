"""Merging of small Parquet parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import logflume
from logflume.exceptions import RunError
from logflume.formats import atomic
from logflume.maintenance.compact import compact
from logflume.maintenance.doctor import diagnose
from tests.cli.commands import check_error, check_output
from tests.maintenance.readers import read_parquet
from tests.maintenance.runs import log_steps, start, write_run
from tests.maintenance.test_kills import SCRIPT, kill, start_script, wait_for_line


def test_a_killed_run(tmp_path: Path) -> None:
    """The parts of a killed run become one per event type, with the same rows."""
    process = start_script(SCRIPT, str(tmp_path))
    assert "ready" == wait_for_line(process)
    kill(process)
    folder = tmp_path / "r"
    before = read_parquet(folder)
    files = len(list(folder.glob("parquet/*/*.parquet")))
    (result,) = compact(folder)

    assert before == read_parquet(folder)
    assert len(before) == len(list(folder.glob("parquet/*/*.parquet"))) == result.files
    assert files == result.files_before > result.files
    assert 0 < result.size_bytes < result.bytes_before


def test_a_live_run(tmp_path: Path) -> None:
    """A live run is refused, because its process owns the parts."""
    folder = start(tmp_path)
    log_steps(0)
    with pytest.raises(RunError, match="is writing this run"):
        list(compact(folder))
    logflume.shutdown()


def test_the_command(tmp_path: Path) -> None:
    """`logflume compact` reports files and bytes before and after, for each rank."""
    folder = write_run(tmp_path, range(2))
    write_run(tmp_path, range(2), rank=1)
    lines = check_output(tmp_path, "compact", "r").splitlines()
    assert 2 == len(lines)
    assert lines[0].startswith(f"{folder / 'parquet'}: ")
    by_rank = json.loads(check_output(tmp_path, "compact", "r", "--json"))
    assert ["parquet", "parquet-rank1"] == [Path(result["path"]).name for result in by_rank]
    assert {"path", "files_before", "bytes_before", "files", "size_bytes"} == set(by_rank[0])
    assert [] == diagnose(folder)
    assert "no run here" in check_error(tmp_path, "compact", "nowhere")


def test_folders_that_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reader could find rows twice, the parts stay, and the error says so."""
    folder = write_run(tmp_path, range(2))
    before = read_parquet(folder)
    monkeypatch.setattr(atomic, "_find_renameat2", lambda: None)
    with pytest.raises(RunError, match=r"parquet: the parts can't be merged here.*local disk"):
        list(compact(folder))
    assert before == read_parquet(folder)
