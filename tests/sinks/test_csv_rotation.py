"""Rotation of CSV files: names, headers, readers, restarts, and what a crash leaves."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from logflume.protocols import ScannedEvent
from logflume.runs.info import RunInfo
from logflume.sinks.csv import CsvSink
from tests.csv_files import make_event, read

RUN = RunInfo(run="r", dir=Path("logs"))


COLUMNS = ["run", "attempt", "rank", "seq"]


def write(path: Path, seqs: Sequence[int], rotate_bytes: int = 80, **options: Any) -> None:
    """Write events one by one: with these columns two fit into a file."""
    with closing(
        CsvSink(path, **{"columns": COLUMNS, **options}, rotate_bytes=rotate_bytes)
    ) as sink:
        for seq in seqs:
            sink.write([{"run": "r", "attempt": 0, "rank": 0, "seq": seq, "x": "a,\nb"}])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def seqs_in(*paths: Path) -> list[int]:
    return [int(row["seq"]) for path in paths for row in read(path)]


def test_rotation(tmp_path: Path) -> None:
    """A full file gets a number, and each file has the header and whole rows."""
    write(tmp_path / "a.csv", range(5))

    paths = [tmp_path / f"a.{number:06d}.csv" for number in (1, 2)]
    assert [*(path.name for path in paths), "a.csv"] == names(tmp_path)
    assert list(range(5)) == seqs_in(*paths, tmp_path / "a.csv")
    assert 1 == len({path.read_text().partition("\n")[0] for path in tmp_path.iterdir()})


def test_other_readers(tmp_path: Path) -> None:
    """One pattern finds all files, in the order of the rows but for the newest."""
    write(tmp_path / "a.csv", range(20))
    paths = sorted(tmp_path.glob("a*.csv"))
    by_pandas = pd.concat([pd.read_csv(path) for path in paths])
    by_duckdb = duckdb.execute(f"select seq from read_csv('{tmp_path}/a*.csv') order by seq")

    assert 3 < len(paths)
    assert list(range(20)) == by_pandas["seq"].to_list()
    assert list(range(20)) == [seq for (seq,) in by_duckdb.fetchall()]


def test_a_continued_run(tmp_path: Path) -> None:
    """A new process continues the numbers, and knows the events of all files."""
    path = tmp_path / "a.csv"
    write(path, range(4), rotate_bytes=1)
    write(path, range(4, 6), rotate_bytes=1)
    with closing(CsvSink(path)) as sink:
        held = sink.held(RUN)

    assert [*(f"a.{number:06d}.csv" for number in range(1, 6)), "a.csv"] == names(tmp_path)
    assert held is not None
    assert list(range(6)) == [seq for seq in range(8) if (0, seq) in held]


@pytest.mark.parametrize("header_bytes", [None, 0, 10])
def test_a_crash_during_a_rotation(header_bytes: int | None, tmp_path: Path) -> None:
    """The new file is missing, empty, or ends within its header: it gets that of the others."""
    path = tmp_path / "a.csv"
    write(path, [0])
    header = path.read_bytes().partition(b"\n")[0]
    path.rename(tmp_path / "a.000001.csv")
    if header_bytes is not None:
        path.write_bytes(header[:header_bytes])
    write(path, [1], columns=["seq", "x"])

    assert header == path.read_bytes().partition(b"\n")[0]
    assert [0, 1] == seqs_in(tmp_path / "a.000001.csv", path)


def test_a_rotation_that_fails_temporarily(tmp_path: Path) -> None:
    """If no new file can be opened after a rotation, a later write opens it."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    path = tmp_path / "a.csv"
    with closing(CsvSink(path, rotate_bytes=1)) as sink:
        sink.write([make_event(seq=0)])
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
        try:
            for _ in range(2):
                with pytest.raises(OSError, match="Too many open files"):
                    sink.write([make_event(seq=1)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        sink.write([make_event(seq=1)])

    assert [0, 1] == seqs_in(tmp_path / "a.000001.csv", path)


def test_the_files_are_scanned_together(tmp_path: Path) -> None:
    """A scan yields the events of all files, and names a rotated one that is damaged."""
    path = tmp_path / "a.csv"
    write(path, range(6))
    rotated = tmp_path / "a.000001.csv"
    with closing(CsvSink(tmp_path / "elsewhere" / "a.csv")) as sink:
        sound = list(sink.scan(path, RUN))
        rotated.write_bytes(rotated.read_bytes()[:-3])
        damaged = [found for found in sink.scan(path, RUN) if not isinstance(found, ScannedEvent)]

    positions = [found.position for found in sound if isinstance(found, ScannedEvent)]
    assert [(0, seq) for seq in range(6)] == positions
    assert ["torn last row in a.000001.csv"] == [fault.what for fault in damaged]


def test_files_of_others(tmp_path: Path) -> None:
    """A copy with a short number and the files of another rank are no rotated files."""
    for name in ("a.1.csv", "a-rank1.000001.csv", "a.old.csv", "a.000002.csv.gz"):
        (tmp_path / name).write_text("mine")
    path = tmp_path / "a.csv"
    write(path, [0, 1], rotate_bytes=1)
    with closing(CsvSink(path)) as sink:
        own = sink.own_files(path, RUN)

    assert [tmp_path / "a.000002.csv", path] == own
    assert [0, 1] == seqs_in(*own)
    assert {"mine"} == {file.read_text() for file in tmp_path.iterdir() if file not in own}


def test_a_path_without_an_extension(tmp_path: Path) -> None:
    """No rotated file replaces another, whatever the name of the file is."""
    for name in ("plain", "with.two.dots.csv", ".hidden"):
        path = tmp_path / name / name
        write(path, [0, 1], rotate_bytes=1)
        write(path, [2, 3], rotate_bytes=1)
        with closing(CsvSink(path)) as sink:
            assert [0, 1, 2, 3] == seqs_in(*sink.own_files(path, RUN))


def test_an_invalid_size(tmp_path: Path) -> None:
    """A `rotate_bytes` of 0, which would start a file for every batch, is rejected."""
    with pytest.raises(ValueError, match="rotate_bytes must be above 0, not 0"):
        CsvSink(tmp_path / "a.csv", rotate_bytes=0)
