"""A run of somebody else: odd kinds of files, sizes and numbers are refused at once."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import logflume
from logflume.diagnosis.diagnose_run import diagnose_run
from logflume.exceptions import RunError
from logflume.formats.parquet_file import MAX_ROWS
from logflume.maintenance.doctor import diagnose
from logflume.runs.files import MAX_WRITERS
from logflume.runs.lock import find_holder, is_locked
from tests.maintenance.runs import write_run


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has a limit
        opened.bind(path.name)
        os.chdir(here)


ODD: list[Callable[[Path], None]] = [
    os.mkfifo,
    make_socket,
    lambda path: path.symlink_to("/dev/zero"),
    Path.mkdir,
]


@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize(
    "name", ["run.lock", "run.json", "events-rank7.jsonl", "training.log", "outputs.csv"]
)
def test_odd_file(name: str, make: Callable[[Path], None], run: Path) -> None:
    """What is no regular file ends a query and a check with a result or one error, never a wait."""
    (run / name).unlink(missing_ok=True)
    make(run / name)

    asked = (diagnose, lambda folder: logflume.open_run(folder).events("training"))
    if name == "events-rank7.jsonl":
        for ask in asked:
            with pytest.raises(RunError, match=r"events-rank7\.jsonl|a directory"):
                ask(run)
    else:
        assert all(ask(run) is not None for ask in asked)
    assert not is_locked(run / "run.lock")


@pytest.mark.parametrize(
    "change",
    [
        {"attempt": 99_999_999_999},
        {"attempt": 10**30},
        {"attempt": 999_999_999},
        {"attempt": -1},
        {"started": "yesterday"},
        {"started": "2026-01-01T00:00:00"},
        {"complete": {"parquet": 10**18}},
    ],
)
def test_absurd_state(change: dict[str, Any], run: Path) -> None:
    """A run whose `run.json` has absurd numbers or dates has all of its events."""
    expected = logflume.open_run(run).types()
    state = json.loads((run / "run.json").read_bytes())
    (run / "run.json").write_text(json.dumps({**state, **change}))

    assert expected == logflume.open_run(run).types()
    assert logflume.open_run(run).info.run == "r"


@pytest.mark.parametrize("name", ["run.json", "run.lock"])
def test_deep_json(name: str, run: Path) -> None:
    """JSON that is a million levels deep counts as damage."""
    (run / name).write_text("[" * 1_000_000)

    assert logflume.open_run(run).info.run == "r"
    assert find_holder(run / "run.lock") is None


@pytest.mark.parametrize("remove", [shutil.rmtree, lambda folder: _empty(folder)])
def test_removed_parquet(remove: Callable[[Path], object], run: Path) -> None:
    """A finished run whose Parquet was removed is answered from the journal."""
    expected = logflume.open_run(run).types()
    remove(run / "parquet")

    assert expected == logflume.open_run(run).types()


def _empty(folder: Path) -> None:
    for path in folder.rglob("*.parquet"):
        path.unlink()


def test_huge_range_of_a_part(run: Path) -> None:
    """A part whose name claims a trillion events costs nothing, and hides no events."""
    expected = logflume.open_run(run).types()
    state = json.loads((run / "run.json").read_bytes())
    (run / "run.json").write_text(json.dumps({**state, "complete": {}}))
    part = next((run / "parquet" / "training").glob("*.parquet"))
    part.rename(part.with_name("part-a0000-000000000000-999999999999999999.parquet"))

    assert expected == logflume.open_run(run).types()


def test_compressed_bomb(run: Path) -> None:
    """A small compressed journal that has gigabytes in one line is an error, in little memory."""
    with pa.CompressedOutputStream(str(run / "events.000001.jsonl.zst"), "zstd") as file:
        for _ in range(128):
            file.write(b"a" * 2**20)

    with pytest.raises(RunError, match="times its size"):
        list(logflume.open_run(run, attempts="all"))


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"null\n"])
def test_too_many_fragments(line: bytes, run: Path) -> None:
    """A small compressed journal of millions of lines that are no events is given up soon."""
    with pa.CompressedOutputStream(str(run / "events.000001.jsonl.zst"), "zstd") as file:
        file.write(line * 100_001)

    with pytest.raises(RunError, match="too short for an event"):
        diagnose_run(run)


def test_too_many_rows(run: Path) -> None:
    """A small part that claims many millions of rows is not read."""
    part = next((run / "parquet" / "training").glob("*.parquet"))
    table = pq.ParquetFile(part).read().take([0] * (MAX_ROWS // 20))
    with pq.ParquetWriter(part, table.schema, compression="zstd") as writer:
        for _ in range(21):
            writer.write_table(table)

    with pytest.raises(RunError, match=f"of at most {MAX_ROWS:,}"):
        logflume.open_run(run).events("training")


def test_too_many_writers(run: Path) -> None:
    """A run with the files of very many ranks is refused with one line."""
    for rank in range(MAX_WRITERS):
        (run / f"run-rank{rank + 1}.json").touch()

    with pytest.raises(RunError, match=f"at most {MAX_WRITERS:,} can be read"):
        logflume.open_run(run).types()


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_modes(umask: int, tmp_path: Path) -> None:
    """The files and folders of a run have the modes that the umask grants."""
    before = os.umask(umask)
    try:
        folder = write_run(tmp_path, range(2))
    finally:
        os.umask(before)

    for path in folder.rglob("*"):
        granted = (0o777 if path.is_dir() else 0o666) & ~umask
        assert granted == path.stat().st_mode & 0o777, path
