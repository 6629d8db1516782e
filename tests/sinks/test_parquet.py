"""The output of the Parquet sink: parts, columns and values, also after failed writes."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from logflume.formats.parquet import Part
from logflume.logger.channels import CHANNELS
from logflume.runs.info import RunInfo
from logflume.sinks.parquet.folder import group_small
from logflume.sinks.parquet.sink import ParquetSink
from tests.event_helpers import RESERVED, finished_event

RUN = RunInfo(run="r")
NAN, INF = math.nan, math.inf
MB = 2**20


def make_event(seq: int, event_type: str = "probe", /, **fields: Any) -> dict[str, Any]:
    return finished_event(event_type, **{"seq": seq, **fields})


def write(path: Path, *events: dict[str, Any]) -> None:
    with closing(ParquetSink(path, run=RUN)) as sink:
        sink.write(events)


def read(path: Path, event_type: str = "probe") -> dict[int, dict[str, Any]]:
    """Return the events in a type's folder by `seq`; each must be there once."""
    rows = pq.read_table(path / event_type).to_pylist()
    by_seq = {row["seq"]: row for row in rows}
    assert len(rows) == len(by_seq)
    return by_seq


def names(path: Path, event_type: str = "probe") -> list[str]:
    return sorted(part.name for part in (path / event_type).iterdir())


def test_each_type_has_a_folder_of_parts_named_after_their_range(tmp_path: Path) -> None:
    """A flush writes one part per type, named after its attempt and its range of events."""
    with closing(ParquetSink(tmp_path / "parquet", run=RUN)) as sink:
        sink.write([make_event(7), make_event(8, "other", attempt=2), make_event(9)])
        sink.flush()
        assert ["part-a0000-000000000007-000000000009-n2.parquet"] == names(tmp_path / "parquet")
        others = names(tmp_path / "parquet", "other")
        assert ["part-a0002-000000000008-000000000008-n1.parquet"] == others


def test_declared_columns_are_first_and_others_follow_with_their_first_value(
    tmp_path: Path,
) -> None:
    """Declared fields are always columns; null and empty lists don't add any."""
    write(tmp_path, make_event(0, "reward", a=None, b=[], c=[None], d=1.0, e=[None, "x"]))
    schema = pq.read_schema(next(tmp_path.glob("reward/*.parquet")))
    declared = [*RESERVED, "extras", "global_step", "generation", "num_generations", "groups"]
    assert [*declared, "d", "e"] == schema.names
    assert pa.timestamp("us", tz="UTC") == schema.field("timestamp").type
    assert pa.list_(pa.string()) == schema.field("e").type
    assert [pa.int64()] * 5 == [
        schema.field(name).type for name in ("rank", "attempt", "seq", "step", "num_generations")
    ]


def test_values_are_read_back(tmp_path: Path) -> None:
    """Values of every kind are read back, NaN as NaN and null as null, also within lists."""
    fields = {
        "flag": True,
        "number": 0.1,
        "nan": NAN,
        "infinite": -INF,
        "text": "é\n\0",
        "numbers": [1.0, None, NAN, INF],
        "texts": ["", None, "b"],
    }
    nonfinite = {"nan": "NaN", "infinite": "-Infinity"}
    write(tmp_path, make_event(0, **fields, nonfinite=nonfinite), make_event(1, numbers=[]))
    rows = read(tmp_path)
    assert repr(fields) == repr({name: rows[0][name] for name in fields})
    assert [] == rows[1]["numbers"]
    assert rows[1]["nan"] is None
    assert "nonfinite" not in rows[0]


def test_times_can_be_subtracted(tmp_path: Path) -> None:
    """The column `timestamp` is an instant; text that is not one is kept in `extras`."""
    times = ["2026-11-23T06:00:00.5Z", "2026-11-23T08:00:01.75+02:00", "yesterday"]
    write(tmp_path, *(make_event(seq, timestamp=time) for seq, time in enumerate(times)))
    query = f"select epoch(max(timestamp) - min(timestamp)) from '{tmp_path}/probe/*.parquet'"
    assert [(1.25,)] == duckdb.execute(query).fetchall()
    assert {"timestamp": "yesterday"} == json.loads(read(tmp_path)[2]["extras"])


def test_a_misfit_is_kept_in_extras(tmp_path: Path) -> None:
    """A value of another kind than its column is added to the event's `extras`."""
    with closing(ParquetSink(tmp_path, run=RUN)) as sink:
        sink.write([make_event(0, a=1, step=2**70)])
        sink.flush()
        sink.write([make_event(1, a="one", step=NAN, extras='{"b": 2}')])
        sink.write([make_event(2, a=[NAN], step=2.0, extras="not JSON")])
    rows = read(tmp_path)
    assert {0: 1.0, 1: None, 2: None} == {seq: row["a"] for seq, row in rows.items()}
    assert {0: None, 1: None, 2: 2} == {seq: row["step"] for seq, row in rows.items()}
    assert [
        {"step": 2**70},
        {"b": 2, "step": "NaN", "a": "one"},
        {"extras": "not JSON", "a": ["NaN"]},
    ] == [json.loads(rows[seq]["extras"]) for seq in range(3)]


@pytest.mark.parametrize("name", ["LOSS", "", "\ud800"])
def test_a_name_that_readers_reject_is_kept_in_extras(tmp_path: Path, name: str) -> None:
    """Names that differ only in case, empty and invalid names are kept in `extras`."""
    write(tmp_path, make_event(0, "training", loss=0.5, **{name: 1.5}))
    row = read(tmp_path, "training")[0]
    assert 0.5 == row["loss"]
    assert [1.5] == list(json.loads(row["extras"]).values())
    query = f"select loss from '{tmp_path}/training/*.parquet'"
    assert [(0.5,)] == duckdb.execute(query).fetchall()


def test_columns_beyond_a_thousand_are_kept_in_extras(tmp_path: Path) -> None:
    """A type with too many fields stays readable, and one warning is logged."""
    write(tmp_path, make_event(0, **{f"f{i}": i for i in range(1_500)}), make_event(1, f1499=0.5))
    rows = read(tmp_path)
    assert 1_000 == len(rows[0])
    stored = {name: value for name, value in rows[0].items() if name.startswith("f")}
    assert {f"f{i}": i for i in range(1_500)} == stored | json.loads(rows[0]["extras"])
    assert {"f1499": 0.5} == json.loads(rows[1]["extras"])
    assert 1 == len([r for r in CHANNELS.buffer.take(100) if "1,000" in str(r)])


def test_a_part_is_due_after_enough_events_or_memory(tmp_path: Path) -> None:
    """The next write after `rotate_events` or 64 MB writes a part without a flush."""
    with closing(ParquetSink(tmp_path, rotate_events=10, run=RUN)) as sink:
        sink.write([make_event(seq) for seq in range(10)])
        assert not (tmp_path / "probe").exists()
        sink.write([make_event(10), *(make_event(i, "big", text="x" * 2**24) for i in range(4))])
        assert ["part-a0000-000000000000-000000000009-n10.parquet"] == names(tmp_path)
        sink.write([])
        assert ["part-a0000-000000000000-000000000003-n4.parquet"] == names(tmp_path, "big")


def test_small_parts_are_merged(tmp_path: Path) -> None:
    """A type never has many more than 64 small parts, and few after the sink is closed."""
    with closing(ParquetSink(tmp_path, run=RUN)) as sink:
        for seq in range(70):
            sink.write([make_event(seq, number=seq)])
            sink.flush()
        assert 6 == len(names(tmp_path))
    assert ["part-a0000-000000000000-000000000069-n70.parquet"] == names(tmp_path)
    assert list(range(70)) == pq.read_table(tmp_path / "probe")["number"].to_pylist()
    assert ["probe"] == [path.name for path in tmp_path.iterdir()]


def test_parts_are_merged_up_to_a_limit() -> None:
    """Adjacent parts of one attempt form groups up to 128 MB or a million events."""

    def part(first: int, rows: int, size_bytes: int, attempt: int = 0) -> Part:
        return Part(f"{attempt}-{first}", attempt, first, first, rows, size_bytes)

    parts = [
        *(part(i, 10, 50 * MB) for i in range(3)),
        part(3, 10, 70 * MB),
        *(part(4 + i, 400_000, MB) for i in range(3)),
        part(7, 10, MB, attempt=1),
    ]
    assert [[0, 1], [2], [3], [4, 5], [6], [7]] == [
        [one.first_seq for one in group] for group in group_small(parts, 6)
    ]
    assert [] == group_small(parts, 7)


def test_every_type_stays_in_the_folder(tmp_path: Path) -> None:
    """Whatever the name of a type, its parts are one level below the sink's folder."""
    types = ["..", ".", "a/../../b", "/etc", ".hidden", "", "x" * 500, "kl.spike"]
    write(tmp_path / "parquet", *(make_event(i, name) for i, name in enumerate(types)))
    assert ["parquet"] == [path.name for path in tmp_path.iterdir()]
    assert 8 == pq.ParquetDataset(list((tmp_path / "parquet").glob("*/*.parquet"))).read().num_rows
    assert not list((tmp_path / "parquet").glob(".*"))


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path still applies after the training code changes its working directory."""
    monkeypatch.chdir(tmp_path)
    with closing(ParquetSink(Path("parquet"), run=RUN)) as sink:
        sink.write([make_event(0)])
        monkeypatch.chdir("/")
    assert [0] == list(read(tmp_path / "parquet"))


def test_a_type_that_fails_blocks_no_other(tmp_path: Path) -> None:
    """Events that can't be written stay buffered, and are written once after the fault is gone."""
    (tmp_path / "probe").touch()
    with closing(ParquetSink(tmp_path, rotate_events=2, run=RUN)) as sink:
        sink.write([make_event(0), make_event(1), make_event(2, "zzz")])
        for call in (sink.flush, lambda: sink.write([make_event(9)]), sink.flush):
            with pytest.raises(FileExistsError):
                call()
        assert [2] == list(read(tmp_path, "zzz"))
        (tmp_path / "probe").unlink()
        sink.write([make_event(3)])
        sink.flush()
        assert [0, 1, 3] == list(read(tmp_path))


@contextmanager
def full_disk() -> Iterator[None]:
    """Limit the size of files to 100 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_nothing_partly_written(tmp_path: Path) -> None:
    """On a full disk neither new nor existing parts change; the rows are written later."""
    with closing(ParquetSink(tmp_path / "parquet", run=RUN)) as sink:
        sink.write([make_event(0)])
        sink.flush()
        sink.write([make_event(1, new=1.0), make_event(2, "other")])
        with full_disk(), pytest.raises(OSError, match="File too large"):
            sink.flush()
        assert [0] == list(read(tmp_path / "parquet"))
        assert "new" not in read(tmp_path / "parquet")[0]
        assert not list(tmp_path.rglob("*.unfinished"))
        sink.flush()
        assert {0: None, 1: 1.0} == {s: row["new"] for s, row in read(tmp_path / "parquet").items()}
        assert [2] == list(read(tmp_path / "parquet", "other"))
