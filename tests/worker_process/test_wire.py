"""The wire format: everything in the buffer becomes plain data, without loss."""

from __future__ import annotations

import datetime
import marshal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from logflume.pipeline.records import (
    BufferItem,
    DeferredRecords,
    Dropped,
    Record,
    RecordColumns,
    count_records,
)
from logflume.worker_process.wire import count_packed, decode, encode, pack, unpack
from tests.worker_process.hostile_values import RECIPES, build

PLAIN = (str, int, float, bool, type(None))
TEXTS = st.text(st.characters(exclude_categories=()))
ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
VALUES = st.recursive(
    ATOMS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)
FIELDS = st.dictionaries(TEXTS, VALUES, max_size=4)


def make_record(
    event: Any = "training", /, step: Any = None, mode: Any = None, **fields: Any
) -> Record:
    return Record(1, "training", "info", event, {}, fields, (step, mode))


def send(items: Iterable[BufferItem]) -> list[Any]:
    """Encode and decode items; return the records and gaps that the worker process gets."""
    name, packed, _ = decode(encode(("records", pack(items), (None, None))))
    assert "records" == name
    arrived: list[Any] = []
    for item in unpack(packed):
        arrived += item.records() if isinstance(item, RecordColumns) else [item]
    return arrived


def assert_plain(value: Any) -> None:
    """Check that a value consists of exact plain types only."""
    if type(value) in (list, tuple):
        for item in value:
            assert_plain(item)
    elif type(value) is dict:
        for key, item in value.items():
            assert type(key) is str
            assert_plain(item)
    else:
        assert type(value) in PLAIN


@given(st.lists(st.tuples(TEXTS, FIELDS), max_size=6))
def test_plain_values_are_unchanged(calls: list[tuple[str, dict[str, Any]]]) -> None:
    """Names, text with lone surrogates, large integers and containers arrive unchanged."""
    at = (3, "train")
    sent = [Record(1, "training", "info", event, {}, fields, at) for event, fields in calls]

    arrived = send(sent)
    assert [(r.event, r.fields, r.step_and_mode) for r in sent] == [
        (event, fields, step_and_mode) for _, _, _, event, _, fields, step_and_mode, _ in arrived
    ]


@given(st.lists(RECIPES, min_size=1, max_size=4), RECIPES, RECIPES)
def test_packing_is_total(recipes: list[Any], step: Any, mode: Any) -> None:
    """Values, steps and modes of any type become exact plain types; no record is lost."""
    values = list(map(build, recipes))
    at = {"step": build(step), "mode": build(mode)}
    sent = [make_record("x", **at, before=1, value=value, after=2) for value in values]

    packed = pack(sent)
    assert_plain(packed)
    assert marshal.loads(marshal.dumps(packed)) is not None
    arrived = send(sent)
    assert [(1, 2)] * len(values) == [(r[5]["before"], r[5]["after"]) for r in arrived]


def test_names_and_texts_of_subclasses() -> None:
    """Names that are subclasses of str arrive as exact strs."""
    named = {np.str_("loss"): np.float64(0.5), "day": datetime.date(2024, 1, 1), "path": Path("a")}
    ((*_, fields, step_and_mode, _),) = send([make_record(step=np.int64(3), **named)])

    assert {"loss": 0.5, "day": "2024-01-01", "path": "a"} == fields
    assert (3, None) == step_and_mode
    assert_plain((fields, step_and_mode))


def test_records_of_one_shape_are_one_item() -> None:
    """Consecutive records with the same names are one item; a new shape starts another."""
    sent = [
        *(make_record(loss=0.5, kl=i) for i in range(5)),
        make_record("x"),
        make_record(loss=0.5, kl=6),
    ]

    assert [5, 1, 1] == [len(item[3]) for item in pack(sent)]


def test_completions_are_sent_by_column() -> None:
    """Deferred records are built in the training process and sent as one item per event type."""
    columns: dict[str, list[Any]] = {"text": ["a", "b"], "reward": [1.0, None]}

    def build_columns() -> list[tuple[str, str, dict[str, list[Any]]]]:
        return [("model", "model_output", columns), ("metrics", "generation", {"n": [2]})]

    packed = pack([DeferredRecords(7, (3, "train"), build_columns, 3)])
    assert [["text", "reward"], ["n"]] == [item[6] for item in packed]
    first, second, third = send([DeferredRecords(7, (3, "train"), build_columns, 3)])
    assert (7, "model", "info", "model_output") == first[:4]
    assert ({"text": "b", "reward": None}, (3, "train")) == (second[5], second[6])
    assert {"n": 2} == third[5]


def test_deferred_records_that_fail_are_counted() -> None:
    """Deferred records that can't be built leave a gap of their number."""

    def fail() -> list[Any]:
        raise KeyError("no")

    (gap,) = send([DeferredRecords(0, (None, None), fail, 66)])
    assert (66, "unreadable") == (gap.count, gap.reason)


@given(
    st.lists(
        st.integers(1, 5).map(lambda n: Dropped(n, "buffer_full"))
        | st.just(make_record(loss=0.5))
        | st.just(make_record("x", note="a")),
        max_size=10,
    )
)
def test_every_record_is_sent_or_counted(items: list[BufferItem]) -> None:
    """Packing and unpacking preserve the number of records."""
    assert count_records(items) == count_packed(pack(items)) == count_records(unpack(pack(items)))


def test_names_are_interned() -> None:
    """All batches share the objects of field names, which makes comparisons cheap."""

    def names() -> list[str]:
        return list(send([make_record(loss=0.5, kl=0.1)])[0][5])

    assert all(one is other for one, other in zip(names(), names(), strict=True))
