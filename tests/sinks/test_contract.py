"""The contract that every registered sink fulfils, directly and behind `Threaded`."""

from __future__ import annotations

import copy
import csv
import json
import math
from collections.abc import Callable, Iterable
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import logflume
from logflume.config.model import MetricsConfig, SinkConfig
from logflume.pipeline.build import build_sink
from logflume.pipeline.threaded import Threaded
from logflume.protocols import Event, Position, ScanFault, ScannableSink, ScannedEvent, Sink
from logflume.runs.info import RunInfo
from logflume.values.event_checksum import event_checksum
from tests.event_helpers import finished_event

RUN = RunInfo(run="r")
SINKS = [
    *sorted(entry.name for entry in entry_points(group="logflume.sinks")),
    "tests.maintenance.lines_sink:LinesSink",
]
"""Every registered sink, also of another package, and one that is named by its class."""


def read_jsonl(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text().split("\n")[:-1]]


def read_csv(path: Path) -> list[int]:
    with path.open(newline="") as file:
        return [int(row["seq"]) for row in csv.DictReader(file)]


def read_parquet(path: Path) -> list[int]:
    tables = [pq.read_table(folder) for folder in path.iterdir() if folder.name[0] != "."]
    return sorted(
        int(seq) for table in tables for seq in table["seq"].to_pylist() if seq is not None
    )


def read_tensorboard(path: Path) -> list[int]:
    # Event files have no `seq`; the events of this suite have a field `number` with the same value.
    reader = EventAccumulator(str(path), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in reader.Tags()["scalars"] if tag.endswith("number")]
    return [int(point.value) for tag in tags for point in reader.Scalars(tag)]


def read_console(path: Path) -> list[int]:
    words = path.read_text().split()
    return [int(word.partition("=")[2]) for word in words if word.startswith("number=")]


READERS: dict[str, Callable[[Path], list[int]]] = {
    "console": read_console,
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "tensorboard": read_tensorboard,
}


def make_event(number: int, /, **fields: Any) -> dict[str, Any]:
    reserved = {"timestamp": f"2026-11-23T06:00:00.{number:06d}Z", "seq": number, "step": number}
    return finished_event("training", **{**reserved, "number": float(number), **fields})


ODD_EVENTS: list[Event] = [
    make_event(0),
    make_event(1, event="model_output", model_output="日本語 🎉 \u2028 \x85", question=""),
    make_event(2, event="message", message="\x1b[31m\r\n\t\x00\x7f", step=None),
    make_event(
        3, loss=math.nan, grad_norm=math.inf, nonfinite={"loss": "NaN", "grad_norm": "Infinity"}
    ),
    make_event(
        4,
        event="reward",
        **{"rewards/a": [1.0, None, math.nan], "rewards/a/n": 2},
        nonfinite={"rewards/a.2": "NaN"},
    ),
    make_event(5, loss=None, note=None, mode="eval"),
    make_event(6, texts=["a", None, '"quoted", and\nbroken'], empty=[], flag=True),
    make_event(7, event="third.party", extras='{"b": 1}', number_of_things=2**53 - 1),
    make_event(8, level="critical", logger="a.b/c", event="exception", formula="=1+1"),
    make_event(9, **{"with/slash": 1.0, "with space": "x", 'quo"te': "y", "ünï": 1.0}),
    make_event(10, event="system", cpu_percent=-0.0, process_memory_bytes=2**62),
]


@pytest.fixture(params=SINKS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["bare", "threaded"])
def make(kind: str, request: pytest.FixtureRequest) -> Callable[[Path], Sink]:
    """Return a function that builds the sink like the pipeline, from its name and options."""

    def make(path: Path) -> Sink:
        sink: Sink = build(kind, path)
        return Threaded(sink) if request.param == "threaded" else sink

    return make


@pytest.fixture
def read(kind: str) -> Callable[[Path], list[int]]:
    """Return a reader of an output: that of its users, or for other sinks their own scan."""
    return READERS.get(kind, lambda path: [position[1] for position in scan(kind, path)])


def build(kind: str, path: Path) -> Any:
    """Build a sink from its name, as the pipeline does."""
    config = SinkConfig(type=kind, options={"path": str(path)})
    return build_sink(kind, config, {"run": RUN, "metrics": MetricsConfig()})


def scan(kind: str, path: Path) -> list[Position]:
    """Return the positions that a scan finds in an output without faults."""
    with closing(build(kind, path.parent / "scanning")) as sink:
        found = list(sink.scan(path, RUN))
    assert [] == [fault for fault in found if isinstance(fault, ScanFault)]
    return [event.position for event in found]


def test_is_a_sink(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    """A sink has the three methods of the protocol."""
    sink = make(tmp_path / "out")

    assert isinstance(sink, Sink)
    sink.close()


def test_creates_the_folder(
    make: Callable[[Path], Sink], read: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    """The parent folders of its path are created."""
    path = tmp_path / "a" / "b" / "out"
    sink = make(path)
    sink.write([make_event(0), make_event(1)])
    sink.close()

    assert [0, 1] == read(path)


def test_nothing_to_write(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    """An empty batch, no batch at all and a flush without events are not errors."""
    sink = make(tmp_path / "empty")
    sink.write([])
    sink.flush()
    sink.close()
    make(tmp_path / "untouched").close()


def test_flush_makes_it_readable(
    make: Callable[[Path], Sink], read: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    """After each `flush` of an open sink, a reader finds all events exactly once."""
    sink = make(tmp_path / "out")
    found = []
    for start in range(0, 30, 10):
        sink.write([make_event(start + n) for n in range(10)])
        sink.flush()
        found.append(read(tmp_path / "out"))
    sink.close()

    assert [list(range(10)), list(range(20)), list(range(30))] == found
    assert list(range(30)) == read(tmp_path / "out")


def test_close_without_flush(
    make: Callable[[Path], Sink], read: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    """`close` writes everything that is still in memory."""
    sink = make(tmp_path / "out")
    for number in range(10):
        sink.write([make_event(number)])
    sink.close()

    assert list(range(10)) == read(tmp_path / "out")


def test_close_twice(
    make: Callable[[Path], Sink], read: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    """A second `close` does nothing."""
    sink = make(tmp_path / "out")
    sink.write([make_event(0)])
    sink.close()
    sink.close()

    assert [0] == read(tmp_path / "out")


@pytest.mark.parametrize("batch_size", [1, len(ODD_EVENTS)])
def test_accepts_every_kind_of_event(
    make: Callable[[Path], Sink], batch_size: int, tmp_path: Path
) -> None:
    """Unicode, control characters, NaN, None, lists, changing fields: no event raises."""
    sink = make(tmp_path / "out")
    for start in range(0, len(ODD_EVENTS), batch_size):
        sink.write(ODD_EVENTS[start : start + batch_size])
        sink.flush()
    sink.close()


def test_leaves_events_unchanged(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    """A sink doesn't change events or lists in them, because other sinks get the same objects."""
    events = copy.deepcopy(ODD_EVENTS)
    sink = make(tmp_path / "out")
    sink.write(events)
    sink.flush()
    sink.write(events)
    sink.close()

    assert repr(ODD_EVENTS) == repr(events)


def test_appends_to_existing_output(
    make: Callable[[Path], Sink], read: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    """A sink that is opened on existing output appends to it."""
    for number in range(3):
        sink = make(tmp_path / "out")
        sink.write([make_event(number)])
        sink.close()

    found = read(tmp_path / "out")
    assert [2] == found[-1:]
    assert found in ([0, 1, 2], [2])  # TensorBoard's reader shows the newest of its files


def test_in_a_pipeline(kind: str, read: Callable[[Path], list[int]], tmp_path: Path) -> None:
    """A sink built from a configuration gets the events of a run, and they are counted."""
    logflume.initialize(
        {
            "root": {"sinks": ["sink"]},
            "sinks": {"sink": {"type": kind, "path": "{dir}/out", "events": ["training"]}},
        },
        dir=tmp_path,
        run=RUN.run,
    )
    for number in range(20):
        logflume.get_logger().info("training", step=number, number=number)
    assert logflume.flush()
    during = read(tmp_path / "out")
    assert logflume.shutdown()

    report = logflume.report()
    assert report is not None
    assert {"accepted": 20, "written": 20, "dropped": 0, "failed": 0} == report.sinks["sink"]
    has_seq = kind not in ("console", "tensorboard")
    expected = list(range(1, 21)) if has_seq else list(range(20))
    assert expected == during == read(tmp_path / "out")


def test_a_scan_finds_what_is_expected(kind: str, tmp_path: Path) -> None:
    """A scan finds the positions and checksums that the sink expects of what was written."""
    with closing(build(kind, tmp_path / "out")) as sink:
        if not isinstance(sink, ScannableSink):
            pytest.skip(f"{kind} has no `scan`: the journal is what others are compared with")
        sink.write(ODD_EVENTS)
    with closing(build(kind, tmp_path / "expecting")) as other:
        found = list(other.scan(tmp_path / "out", RUN))
        expected = list(_expect(other, ODD_EVENTS))

    assert sorted(map(repr, expected)) == sorted(map(repr, found))
    assert [] == list(other.scan(tmp_path / "missing", RUN))


def _expect(sink: Any, events: list[Event]) -> Iterable[ScannedEvent]:
    if hasattr(sink, "expect"):
        return list(sink.expect(events))
    return [ScannedEvent((e["attempt"], e["seq"]), event_checksum(e)) for e in events]
