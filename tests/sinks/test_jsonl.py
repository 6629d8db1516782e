"""The journal: complete lines, rotation and compression, repair on opening, other readers."""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.json
import pytest

import logflume
from logflume.sinks.jsonl import JsonlSink
from tests.event_helpers import finished_event
from tests.fake_sinks import wait_until


def make_event(seq: int = 0, **fields: Any) -> dict[str, Any]:
    return finished_event(**{"seq": seq, "step": seq, **fields})


def write(path: Path, *seqs: int, rotate_bytes: int = 256_000_000) -> None:
    """Open the journal, write events with these `seq` numbers one by one, and close it."""
    with closing(JsonlSink(path, rotate_bytes=rotate_bytes)) as sink:
        for seq in seqs:
            sink.write([make_event(seq)])


def read_seqs(folder: Path) -> list[int]:
    return [event["seq"] for event in logflume.open_run(folder)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_batch_is_readable_at_once(tmp_path: Path) -> None:
    """Written events are in the file before a flush or close."""
    path = tmp_path / "deep" / "events.jsonl"
    with closing(JsonlSink(path)) as sink:
        sink.write([make_event(0), make_event(1)])

        assert [0, 1] == [json.loads(line)["seq"] for line in path.read_text().splitlines()]


def test_values_are_json(tmp_path: Path) -> None:
    """NaN and infinities are null, text is UTF-8, and an event is always one line."""
    path = tmp_path / "events.jsonl"
    event = make_event(
        x=[1.5, float("nan"), None], y=float("inf"), text="größe\n\u2028\0", n=2**63 - 1
    )
    with closing(JsonlSink(path)) as sink:
        sink.write([event | {"nonfinite": {"x.1": "NaN", "y": "Infinity"}}])
    (line,) = path.read_bytes().split(b"\n")[:-1]

    assert event | {
        "x": [1.5, None, None],
        "y": None,
        "nonfinite": {"x.1": "NaN", "y": "Infinity"},
    } == json.loads(line)
    assert "größe".encode() in line


@pytest.mark.parametrize("kept", [0, 1, 100])
@pytest.mark.parametrize("torn", [b'{"seq": 1', b"{", b'"' + b"x" * 200_000])
def test_a_torn_last_line_is_removed(kept: int, torn: bytes, tmp_path: Path) -> None:
    """A line torn by a crash is removed, and the next event starts a new one."""
    path = tmp_path / "events.jsonl"
    write(path, *range(kept))
    with path.open("ab") as file:
        file.write(torn)
    write(path, kept)

    assert list(range(kept + 1)) == read_seqs(tmp_path)


def test_rotation(tmp_path: Path) -> None:
    """A full file is numbered, compressed and followed by a new one; no event is lost."""
    write(tmp_path / "events.jsonl", *range(10), rotate_bytes=300)

    rotated = [f"events.{number:06d}.jsonl.zst" for number in range(1, 4)]
    assert [*rotated, "events.jsonl"] == names(tmp_path)
    assert list(range(10)) == read_seqs(tmp_path)


def test_numbering_continues(tmp_path: Path) -> None:
    """The next attempt continues the numbering, whether earlier files are compressed or not."""
    write(tmp_path / "events.jsonl", *range(4), rotate_bytes=1)
    (tmp_path / "events.000009.jsonl.zst").write_bytes(
        (tmp_path / "events.000003.jsonl.zst").read_bytes()
    )
    (tmp_path / "events.000003.jsonl.zst").unlink()
    write(tmp_path / "events.jsonl", 4, 5, rotate_bytes=1)

    assert "events.000010.jsonl.zst" in names(tmp_path)
    assert list(range(6)) == read_seqs(tmp_path)


def test_other_journals_are_left_alone(tmp_path: Path) -> None:
    """The rotated files of one rank are not mistaken for those of another."""
    write(tmp_path / "events-rank1.jsonl", 0, 1, rotate_bytes=1)
    write(tmp_path / "events.jsonl", 2, 3, rotate_bytes=1)

    assert [
        "events-rank1.000001.jsonl.zst",
        "events-rank1.jsonl",
        "events.000001.jsonl.zst",
        "events.jsonl",
    ] == names(tmp_path)


def test_stale_files_of_a_crash(tmp_path: Path) -> None:
    """Drafts are removed; rotated files are compressed, or removed if they were already."""
    path = tmp_path / "events.jsonl"
    write(path, *range(3), rotate_bytes=1)
    line = json.dumps(make_event(1)).encode() + b"\n"
    (tmp_path / "events.000001.jsonl").write_bytes(json.dumps(make_event(0)).encode() + b"\n")
    (tmp_path / "events.000002.jsonl.zst").unlink()
    (tmp_path / "events.000002.jsonl").write_bytes(line)
    (tmp_path / ".events.000002.jsonl.zst.tmp").write_bytes(b"half")
    assert [0, 1, 2] == read_seqs(tmp_path)
    write(path, 3)

    assert ["events.000001.jsonl.zst", "events.000002.jsonl.zst", "events.jsonl"] == names(tmp_path)
    assert [0, 1, 2, 3] == read_seqs(tmp_path)


def test_other_readers(tmp_path: Path) -> None:
    """DuckDB reads all journal files with one pattern; other readers read each file."""
    path = tmp_path / "events.jsonl"
    write(path, *range(7), rotate_bytes=400)
    found = duckdb.execute(
        f"SELECT seq, step FROM read_json('{tmp_path}/events*.jsonl*') ORDER BY seq"
    )

    assert [(seq, seq) for seq in range(7)] == found.fetchall()
    live = [6]
    assert live == pd.read_json(path, lines=True)["seq"].tolist()
    assert live == pl.read_ndjson(path)["seq"].to_list()
    assert live == pa.json.read_json(path)["seq"].to_pylist()
    first: Any = pa.CompressedInputStream(str(tmp_path / "events.000001.jsonl.zst"), "zstd")
    assert [0, 1, 2] == pa.json.read_json(first)["seq"].to_pylist()


def test_a_rotation_that_fails_temporarily(tmp_path: Path) -> None:
    """If no new file can be opened after a rotation, a later write opens it."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(JsonlSink(tmp_path / "events.jsonl", rotate_bytes=1)) as sink:
        sink.write([make_event(0)])
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
        try:
            for _ in range(2):
                with pytest.raises(OSError, match="Too many open files"):
                    sink.write([make_event(1)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        sink.write([make_event(1)])

    assert [0, 1] == read_seqs(tmp_path)


DISK_FULL = """
import resource, sys
from pathlib import Path
from logflume.sinks.jsonl import JsonlSink
from tests.fake_sinks import wait_until

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
path = Path(sys.argv[1])
sink = JsonlSink(path)
JsonlSink(path).write([{"seq": 50}])  # as another process may do
failed = 0
for seq in range(10):
    try:
        sink.write([{"seq": seq, "text": "x" * 150}, {"seq": seq, "text": "y" * 150}])
    except OSError as error:
        failed += 1
    assert path.read_bytes().endswith(b"\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sink.write([{"seq": 99}])
sink.close()
print(failed)
"""


def test_a_full_disk_leaves_complete_lines(tmp_path: Path) -> None:
    """A batch that doesn't fit completely is not written at all; all other lines are kept."""
    path = tmp_path / "events.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(path)], capture_output=True, text=True, check=True
    )

    assert 0 < int(done.stdout)
    seqs = [json.loads(line)["seq"] for line in path.read_text().splitlines()]
    assert [50, 0, 0, 1, 1, 99] == seqs


def test_a_limit_must_be_above_0(tmp_path: Path) -> None:
    """A `rotate_bytes` of 0, which would start a file for every batch, is rejected."""
    with pytest.raises(ValueError, match="rotate_bytes must be above 0, not 0"):
        JsonlSink(tmp_path / "events.jsonl", rotate_bytes=0)


def test_a_removed_journal(tmp_path: Path) -> None:
    """Later events are in a new file, even if the removed file was due for rotation."""
    path = tmp_path / "run" / "events.jsonl"
    with closing(JsonlSink(path, rotate_bytes=1)) as sink:
        sink.write([make_event(0)])
        path.unlink()
        path.parent.rmdir()
        sink.write([make_event(1)])

        assert ["events.jsonl"] == names(path.parent)
        assert [1] == read_seqs(path.parent)


def test_a_compression_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If compression fails and its draft can't be removed, no thread dies and the file is kept."""

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise OSError("no")

    monkeypatch.setattr(Path, "unlink", fail)
    monkeypatch.setattr(pa, "CompressedOutputStream", fail)
    write(tmp_path / "events.jsonl", 0, 1, rotate_bytes=1)

    draft = ".events.000001.jsonl.zst.tmp"
    assert [draft, "events.000001.jsonl", "events.jsonl"] == names(tmp_path)
    assert [0, 1] == read_seqs(tmp_path)


def test_duckdb_while_a_file_is_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers don't see the draft of a compressed file, whatever it contains."""
    found: list[Any] = []

    def read_instead(*_arguments: Any) -> None:
        (draft,) = (path for path in tmp_path.iterdir() if path.suffix == ".tmp")
        draft.write_bytes(b"half\n" * 9)
        files = f"{tmp_path}/events*.jsonl*"
        found.extend(duckdb.execute(f"select seq from read_json('{files}')").fetchall())

    monkeypatch.setattr("logflume.formats.rotation.shutil.copyfileobj", read_instead)
    write(tmp_path / "events.jsonl", 0, 1, rotate_bytes=1)

    assert (0,) in found


def test_a_number_is_used_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the folder can't be listed, as on a bad disk, no rotated file replaces another."""
    sink = JsonlSink(tmp_path / "events.jsonl", rotate_bytes=1)
    for seq in range(3):
        sink.write([make_event(seq)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", _refuse)
        patch.setattr(os, "scandir", _refuse)
        for seq in range(3, 6):
            sink.write([make_event(seq)])
    sink.close()
    assert list(range(6)) == [event["seq"] for event in logflume.open_run(tmp_path)]


def _refuse(_path: Any) -> Any:
    raise PermissionError("not now")


def test_an_incomplete_compression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An incomplete copy doesn't replace the file."""
    monkeypatch.setattr("logflume.formats.rotation.shutil.copyfileobj", lambda *_: None)
    write(tmp_path / "events.jsonl", 0, 1, rotate_bytes=1)

    assert ["events.000001.jsonl", "events.jsonl"] == names(tmp_path)
    assert [0, 1] == read_seqs(tmp_path)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the calls of `fsync` for files: a list with the size of the file at each."""
    sizes: list[int] = []
    fsync = os.fsync

    def counted(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            sizes.append(os.fstat(file).st_size)
        fsync(file)

    monkeypatch.setattr(os, "fsync", counted)
    return sizes


def test_no_fsync_by_default(tmp_path: Path, synced: list[int]) -> None:
    """Without `fsync_interval_s` the sink never waits for the disk."""
    write(tmp_path / "events.jsonl", *range(5), rotate_bytes=1)

    assert [] == synced


def test_fsync_at_most_once_an_interval(tmp_path: Path, synced: list[int]) -> None:
    """Within an interval only rotating and closing call `fsync`, and only for something new."""
    path = tmp_path / "events.jsonl"
    sink = JsonlSink(path, fsync_interval_s=3600.0, rotate_bytes=400)
    for seq in range(3):
        sink.write([make_event(seq)])
        sink.flush()
    assert [] == synced
    rotated_bytes = path.stat().st_size
    sink.write([make_event(3)])
    sink.close()
    (compressed,) = tmp_path.glob("events.*.zst")

    assert rotated_bytes == synced[0]
    assert {path.stat().st_size, compressed.stat().st_size} == set(synced[1:])


def test_fsync_of_what_is_new(tmp_path: Path, synced: list[int]) -> None:
    """After an interval a flush calls `fsync` once; without new events it doesn't."""
    path = tmp_path / "events.jsonl"
    with closing(JsonlSink(path, fsync_interval_s=1e-9)) as sink:
        sink.write([make_event(0)])
        sink.flush()
        sink.flush()

    assert [path.stat().st_size] == synced


def test_a_failed_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed `fsync` is reported, and stays a loss although the next one succeeds."""
    fsync, errors = os.fsync, [OSError(errno.EIO, os.strerror(errno.EIO))]

    def failing_once(file: int) -> None:
        if errors:
            raise errors.pop()
        fsync(file)

    monkeypatch.setattr(os, "fsync", failing_once)
    journal = {"path": "{dir}/{run}/events.jsonl", "fsync_interval_s": 1e-3}
    run = logflume.initialize(
        {"root": {"sinks": ["jsonl"]}, "sinks": {"jsonl": journal}}, dir=tmp_path
    )
    logflume.get_logger().info("probe", x=1)
    logflume.flush()
    logflume.get_logger().info("probe", x=1)
    assert wait_until(logflume.flush)

    assert not logflume.shutdown()
    assert [] == errors
    events = list(logflume.open_run(run.folder))
    assert 2 == sum(event["event"] == "probe" for event in events)
    reports = [e for e in events if e["event"] == "pipeline" and e.get("component") == "jsonl"]
    assert "failed" == reports[0]["status"]
    assert "Input/output error" in reports[0]["reason"]
    assert any("fsync failed" in e["reason"] for e in reports if e["status"] == "limited")


@pytest.mark.parametrize("interval_s", [0, -1, float("nan")])
def test_an_interval_must_be_above_0(tmp_path: Path, interval_s: float) -> None:
    """An interval of 0 is rejected: it would be an `fsync` for every batch."""
    with pytest.raises(ValueError, match="fsync_interval_s must be above 0"):
        JsonlSink(tmp_path / "events.jsonl", fsync_interval_s=interval_s)
