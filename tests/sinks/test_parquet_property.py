"""A property of the Parquet sink: any events are read back, each of them once."""

from __future__ import annotations

import copy
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume.runs.info import RunInfo
from logflume.sinks.parquet.sink import ParquetSink
from logflume.values.declared import declared_columns
from logflume.values.kinds import find_kind
from logflume.values.plain import nonfinite_name, plain, valid_text
from tests.event_helpers import finished_event

RUN = RunInfo(run="r")
RESERVED = {*declared_columns("probe"), "nonfinite"}


def make_event(seq: int, event_type: str, fields: dict[str, Any]) -> dict[str, Any]:
    return finished_event(event_type, **{"seq": seq, **fields})


def read(folder: Path) -> dict[int, dict[str, Any]]:
    rows = pq.read_table(folder).to_pylist()
    by_seq = {row["seq"]: row for row in rows}
    assert len(rows) == len(by_seq)
    return by_seq


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.lists(st.none() | st.floats() | st.integers(), max_size=3),
    st.lists(st.none() | st.text(max_size=3), max_size=3),
)
field_names = st.sampled_from(["a", "b", "A", "loss", "rewards/x", "rewards/x/n"]) | st.text(
    st.characters(), max_size=3
).filter(lambda name: name not in RESERVED)
fields = st.dictionaries(field_names, values, max_size=4)
events = st.tuples(st.sampled_from(["training", "reward", "probe"]), fields)
batches = st.lists(
    st.tuples(st.lists(events, max_size=5), st.sampled_from(["", "flush", "open"])), max_size=6
)


def is_kept(name: str, value: Any, row: dict[str, Any], extras: dict[str, Any]) -> bool:
    """Whether a value is in its column, unchanged or as text, or else in `extras`."""
    if find_kind(value) is None:
        return True
    column = row.get(name)
    if column is None:
        return same(value, extras[name])
    return same(value, column) or same(value, json.loads(column))


def same(value: Any, found: Any) -> bool:
    if isinstance(value, list):
        return len(value) == len(found) and all(map(same, value, found))
    if isinstance(value, float) and not math.isfinite(value):
        return found == nonfinite_name(value) or repr(found) == repr(value)
    return bool(value == found)


@settings(max_examples=30, deadline=None)
@given(batches)
def test_every_event_is_read_back_once_with_its_values(
    batches: Sequence[tuple[list[tuple[str, dict[str, Any]]], str]],
) -> None:
    """Any events are read back, whatever the batches, flushes and restarts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "parquet"
        sink = ParquetSink(path, run=RUN)
        written: dict[str, dict[int, dict[str, Any]]] = {}
        for content, then in batches:
            start = sum(map(len, written.values()))
            batch = [make_event(start + i, *event) for i, event in enumerate(content)]
            for event, (event_type, given) in zip(batch, content, strict=True):
                written.setdefault(event_type, {})[event["seq"]] = given
            before = copy.deepcopy(batch)
            sink.write(batch)
            assert repr(before) == repr(batch)
            if then == "flush":
                sink.flush()
            elif then == "open":
                sink.close()
                sink = ParquetSink(path, run=RUN)
        sink.close()
        for event_type, expected in written.items():
            rows = read(path / event_type)
            assert expected.keys() == rows.keys()
            for seq, given_fields in expected.items():
                extras = json.loads(rows[seq]["extras"] or "{}")
                for name, value in given_fields.items():
                    assert is_kept(valid_text(name), plain(value), rows[seq], extras), name
