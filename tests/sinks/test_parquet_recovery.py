"""How the Parquet sink opens a folder that an earlier attempt or a crash has left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from logflume.formats import atomic
from logflume.formats.parquet import DamagedPartError, read_tables
from logflume.logger.channels import CHANNELS
from logflume.runs.info import RunInfo
from logflume.sinks.parquet.sink import ParquetSink
from tests.event_helpers import finished_event
from tests.scarce_files import scarce_files

FIRST = "part-a0000-000000000000-000000000000-n1"
SECOND = "part-a0000-000000000001-000000000001-n1"


def make_event(seq: int, /, **fields: Any) -> dict[str, Any]:
    timestamp = f"2026-11-23T06:00:00.{seq:06d}Z"
    return finished_event(**{"timestamp": timestamp, "seq": seq, **fields})


def open_sink(path: Path, attempt: int = 0) -> ParquetSink:
    return ParquetSink(path, run=RunInfo(run="r", attempt=attempt))


def write_parts(sink: ParquetSink, *events: dict[str, Any]) -> None:
    for event in events:
        sink.write([event])
        sink.flush()


def leave_parts(path: Path, *events: dict[str, Any]) -> None:
    """Leave a folder behind like a crash: a part for each event, the sink not closed."""
    write_parts(open_sink(path), *events)


def names(path: Path) -> list[str]:
    return sorted(part.name.removesuffix(".parquet") for part in (path / "probe").iterdir())


def seqs(path: Path) -> list[int]:
    query = f"select seq from '{path}/probe/*.parquet' order by seq"
    return [seq for (seq,) in duckdb.execute(query).fetchall()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parquet"


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a system without `renameat2`."""
    monkeypatch.setattr(atomic, "_find_renameat2", lambda: None)


def test_a_continued_run_keeps_its_columns(path: Path) -> None:
    """The next attempt has the columns of the first from the start, with the same types."""
    with closing(open_sink(path)) as sink:
        write_parts(sink, make_event(0, a=1.0, b="x"), make_event(1))
    with closing(open_sink(path, attempt=1)) as sink:
        write_parts(sink, make_event(0, attempt=1, b=2.0))
    assert [
        "part-a0000-000000000000-000000000001-n2",
        "part-a0001-000000000000-000000000000-n1",
    ] == names(path)
    table = pl.read_parquet(path / "probe/*.parquet")
    assert [1.0, None, None] == table["a"].to_list()
    assert '{"b":2.0}' == table["extras"][2]


def test_the_same_events_again_overwrite_nothing(path: Path) -> None:
    """A second part with the same range gets another name, because its events may differ."""
    leave_parts(path, make_event(0, a=1.0))
    leave_parts(path, make_event(0, a=2.0, timestamp="2026-11-23T07:00:00Z"))
    assert [FIRST, f"{FIRST}-1"] == names(path)
    assert [1.0, 2.0] == pq.read_table(path / "probe").sort_by("a")["a"].to_pylist()


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[:-9], lambda content: b"PAR1" * 30],
    ids=["empty", "torn", "garbage"],
)
def test_a_part_that_cannot_be_read_is_moved_away(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """An unreadable part is hidden from readers but not deleted, and a warning is logged."""
    leave_parts(path, make_event(0), make_event(1))
    torn = path / f"probe/{FIRST}.parquet"
    content = damage(torn.read_bytes())
    torn.write_bytes(content)
    with closing(open_sink(path)) as sink:
        assert [1] == seqs(path)
        write_parts(sink, make_event(2, new=1.0))
    assert [1, 2] == seqs(path)
    moved = path.parent / f".parquet.damaged/probe/{FIRST}.parquet.damaged"
    assert content == moved.read_bytes()
    assert any(str(moved) in str(record) for record in CHANNELS.buffer.take(100))


def test_a_part_damaged_inside_is_found_when_it_is_rewritten(path: Path) -> None:
    """A part with an intact footer is only found damaged when a new column requires a rewrite."""
    with closing(open_sink(path)) as sink:
        write_parts(sink, make_event(0), make_event(1))
        part = path / f"probe/{FIRST}.parquet"
        content = part.read_bytes()
        part.write_bytes(content[:4] + bytes(200) + content[204:])
        write_parts(sink, make_event(2, new=1.0))
        assert [1, 2] == seqs(path)


def test_deleted_parts_are_not_missed(path: Path) -> None:
    """A part or the whole folder may be deleted while the sink is open."""
    with closing(open_sink(path)) as sink:
        write_parts(sink, make_event(0), make_event(1))
        (path / f"probe/{FIRST}.parquet").unlink()
        write_parts(sink, make_event(2, new=1.0))
        assert [1, 2] == seqs(path)
        shutil.rmtree(path)
        write_parts(sink, make_event(3, newer=1.0))
    assert [3] == seqs(path)


def test_a_lack_of_descriptors_is_not_taken_for_missing_events(path: Path) -> None:
    leave_parts(path, make_event(0), make_event(1))
    with closing(open_sink(path)) as sink:
        with scarce_files(0), pytest.raises(OSError, match="Too many open files"):
            sink.held(RunInfo(run="r"))
        held = sink.held(RunInfo(run="r"))
    assert (0, 0) in held
    assert (0, 1) in held


def test_a_lack_of_descriptors_is_not_taken_for_damage(path: Path) -> None:
    leave_parts(path, make_event(0))
    (part,) = (path / "probe").iterdir()
    schema = pq.read_schema(part)
    with scarce_files(0), pytest.raises(OSError, match="Too many open files") as caught:
        list(read_tables(part, schema))
    assert not isinstance(caught.value, DamagedPartError)


def test_duplicate_parts_are_removed(path: Path, tmp_path: Path) -> None:
    """Small parts that a crash has left next to their merged part are removed."""
    leave_parts(path, make_event(0), make_event(1))
    shutil.copytree(path / "probe", tmp_path / "copy")
    open_sink(path).close()
    shutil.copytree(tmp_path / "copy", path / "probe", dirs_exist_ok=True)
    assert [0, 0, 1, 1] == seqs(path)
    open_sink(path)
    assert [0, 1] == seqs(path)
    assert ["part-a0000-000000000000-000000000001-n2"] == names(path)


def test_a_range_inside_another_is_not_a_duplicate(path: Path) -> None:
    """Overlapping ranges of unordered events are not enough: only complete copies are removed."""
    sink = open_sink(path)
    sink.write([make_event(0), make_event(2)])
    write_parts(sink, make_event(1))
    open_sink(path)
    assert [0, 1, 2] == seqs(path)


def test_stale_files_of_a_crash_are_removed(path: Path) -> None:
    """Unfinished files and folders are gone after the next open."""
    leave_parts(path, make_event(0))
    staged = path.parent / ".parquet.tmp/abc"
    staged.mkdir(parents=True)
    (staged / f"{SECOND}.parquet.unfinished").touch()
    open_sink(path).close()
    assert ["parquet"] == [entry.name for entry in path.parent.iterdir()]
    assert [0] == seqs(path)


def test_parts_of_two_schemas_are_unified(path: Path) -> None:
    """Parts that a crash has left with two schemas get the same one."""
    leave_parts(path, make_event(0))
    old = (path / f"probe/{FIRST}.parquet").read_bytes()
    leave_parts(path, make_event(1, new=1.0))
    (path / f"probe/{FIRST}.parquet").write_bytes(old)
    with pytest.raises(pl.exceptions.PolarsError):
        pl.read_parquet(path / "probe/*.parquet")
    with closing(open_sink(path)) as sink:
        sink.flush()
        assert [None, 1.0] == pl.read_parquet(path / "probe/*.parquet")["new"].to_list()


def test_foreign_files_are_kept(path: Path) -> None:
    """A foreign file in a type's folder survives the replacement of the folder."""
    with closing(open_sink(path)) as sink:
        write_parts(sink, make_event(0))
        (path / "probe/_notes.txt").write_text("mine")
        write_parts(sink, make_event(1, new=1.0))
        assert "mine" == (path / "probe/_notes.txt").read_text()
    assert "mine" == (path / "probe/_notes.txt").read_text()


@pytest.mark.usefixtures("no_exchange")
def test_without_exchange_parts_are_not_merged(path: Path) -> None:
    """On systems that can't exchange folders, parts get new columns one by one, and stay."""
    with closing(open_sink(path)) as sink:
        write_parts(sink, *(make_event(seq, **{f"f{seq % 6}": seq}) for seq in range(66)))
    assert 66 == len(names(path))
    table = pl.read_parquet(path / "probe/*.parquet").sort("seq")
    assert [[s if s % 6 == i else None for s in range(66)] for i in range(6)] == [
        table[f"f{i}"].to_list() for i in range(6)
    ]


CHILD = """
import sys
from pathlib import Path
from logflume.run import RunInfo
from logflume.sinks.parquet import ParquetSink
sys.path.insert(0, sys.argv[1])
from test_parquet_recovery import make_event, write_parts
sink = ParquetSink(Path(sys.argv[2]), run=RunInfo(run="r"))
for seq in range(1_000_000):
    write_parts(sink, make_event(seq, **{f"f{seq % 8}": 1.0}))
    print(seq, flush=True)
"""


@pytest.mark.parametrize("flushes", [3, 6, 63])
def test_a_killed_process_leaves_a_readable_folder(path: Path, flushes: int) -> None:
    """After SIGKILL at any time the strictest reader succeeds, and no flushed event is lost."""
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == flushes:
                break
        child.send_signal(signal.SIGKILL)
        last = max([flushes, *map(int, child.stdout)])
    found = pl.read_parquet(path / "probe/*.parquet")["seq"].to_list()
    assert sorted(found) in (list(range(last + 1)), list(range(last + 2)))
    open_sink(path).close()
    assert sorted(found) == seqs(path)
    assert 1 == len(names(path))


KILLED_WHILE_CLOSING = """
import os, signal, sys
from pathlib import Path
from logflume.formats import atomic
from logflume.formats.parquet import DamagedPartError, read_tables
from logflume.run import RunInfo
from logflume.sinks.parquet import ParquetSink
sys.path.insert(0, sys.argv[1])
from test_parquet_recovery import make_event, write_parts
atomic._find_renameat2 = lambda: None
sink = ParquetSink(Path(sys.argv[2]), run=RunInfo(run="r"))
write_parts(sink, *(make_event(seq) for seq in range(9)))
unlink, replace = Path.unlink, Path.replace
def kill(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
def kill_after(*arguments):
    replace(*arguments)
    kill()
Path.unlink, Path.replace = kill, kill_after
sink.close()
"""


def test_a_kill_while_closing_without_exchange(path: Path) -> None:
    """On systems that can't exchange folders, no kill during the close leaves a row twice."""
    command = [sys.executable, "-c", KILLED_WHILE_CLOSING, str(Path(__file__).parent), str(path)]
    subprocess.run(command, check=False)
    assert list(range(9)) == seqs(path)
