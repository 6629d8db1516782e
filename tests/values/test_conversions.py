"""Conversion of Python, NumPy, torch and msgspec values to plain values."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections import OrderedDict, UserList, UserString, deque, namedtuple
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
import torch

import logflume
from logflume.protocols import Event
from logflume.testing import capture_events
from logflume.values.arrays import MAX_ELEMENTS
from logflume.values.snapshot import MAX_ITEMS
from tests.event_helpers import fields, only

Point = namedtuple("Point", ["x", "y"])


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Box:
    size: int
    inner: Any = None


class Struct(msgspec.Struct):
    loss: float
    name: str = "s"


def log(**values: Any) -> Event:
    """Log the values as one event and return it."""
    with capture_events() as events:
        logflume.get_logger().info("probe", **values)
    return only(events)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Colour.PAIR, [1.0, 2.0]),
        (Level.HIGH, 3.0),
        (datetime(2026, 11, 23, 6, tzinfo=UTC), "2026-11-23T06:00:00+00:00"),
        (date(2026, 11, 23), "2026-11-23"),
        (time(6, 30), "06:30:00"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("0.10"), 0.1),
        (Decimal("1e400"), "1E+400"),
        (Fraction(1, 4), 0.25),
        (1 + 2j, "(1+2j)"),
        (b"bytes", "bytes"),
        (b"\xff\x00", "\\xff\x00"),
        (bytearray(b"ab"), "ab"),
        (memoryview(b"ab"), "ab"),
        ("\udc80 lone", "\\udc80 lone"),
        (["\ud800"], ["\\ud800"]),
        ((1, 2), [1.0, 2.0]),
        ({1}, [1.0]),
        (frozenset({"a"}), ["a"]),
        (deque([1, 2]), [1.0, 2.0]),
        (range(3), [0.0, 1.0, 2.0]),
        (UserList([1, 2]), [1.0, 2.0]),
        (UserString("1.5"), "1.5"),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1.0]),
        (int, "<class 'int'>"),
        (torch.float16, "torch.float16"),
    ],
)
def test_python_values(value: Any, plain: Any) -> None:
    """Each value has one plain form."""
    assert {"x": plain} == fields(log(x=value))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.1), 0.1),
        (np.float16(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.uint8(255), 255.0),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.bytes_(b"ab"), "ab"),
        (np.datetime64("2026-11-23T06:00:00.5", "ns"), "2026-11-23T06:00:00.500000000"),
        (np.complex64(1), "(1+0j)"),
        (np.array(0.5), 0.5),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1, 2], np.int8), [1.0, 2.0]),
        (np.array([0.5], np.longdouble), [0.5]),
        (np.array([True, False]), [1.0, 0.0]),
        (np.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]"),
        (np.array(["2026-11-23"], "datetime64[ns]"), ["2026-11-23T00:00:00.000000000"]),
        (np.ma.masked_array([1.0, 2.0], [False, True]), [1.0, None]),
        (np.array([Colour.RED, None], object), ["red", None]),
        (np.zeros(0, object), None),
    ],
)
def test_numpy_values(value: Any, plain: Any) -> None:
    """Scalars become Python scalars, 0-d arrays numbers, flat arrays lists, others JSON text."""
    assert plain == log(x=value).get("x")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (torch.tensor(0.5), 0.5),
        (torch.tensor(3), 3.0),
        (torch.tensor(True), True),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (torch.tensor([0.5, 1.5], dtype=torch.bfloat16), [0.5, 1.5]),
        (torch.tensor([0.25], dtype=torch.float16), [0.25]),
        (torch.tensor([1.0], requires_grad=True), [1.0]),
        (torch.nn.Parameter(torch.ones(2)), [1.0, 1.0]),
        (torch.ones(2, 2).t(), "[[1.0,1.0],[1.0,1.0]]"),
        (torch.tensor([1, 2]).numpy(), [1.0, 2.0]),
    ],
)
def test_torch_values(value: Any, plain: Any) -> None:
    """Tensors of any type and shape are converted, without gradients."""
    assert {"x": plain} == fields(log(x=value))


def test_tensors_without_values_are_marked() -> None:
    """A tensor that can't be read is replaced by a mark with the reason."""
    event = log(x=torch.ones(2, device="meta"))

    assert str(event["x"]).startswith("<array that could not be read: ")


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_large_arrays_are_summarized(make: Any) -> None:
    """An array beyond the limit becomes its summary; one at the limit is kept."""
    event = log(allowed=make(MAX_ELEMENTS), large=make((2, MAX_ELEMENTS)))

    assert MAX_ELEMENTS == len(event["allowed"])
    assert [2.0, MAX_ELEMENTS] == event["large/shape"]
    assert 2 * MAX_ELEMENTS == event["large/n"] == sum(event["large/histogram"])


def test_a_mapping_flattens() -> None:
    """Names in mappings, structs, dataclasses and named tuples are joined with `/`."""
    event = log(
        m={"a": 1, "b": {"c": [1], 3: "x"}},
        box=Box(1, Box(2)),
        struct=Struct(0.5),
        point=Point(1, 2),
        ordered=OrderedDict(a=True),
    )

    assert {
        "m/a": 1.0,
        "m/b/c": [1.0],
        "m/b/3": "x",
        "box/size": 1.0,
        "box/inner/size": 2.0,
        "box/inner/inner": None,
        "struct/loss": 0.5,
        "struct/name": "s",
        "point/x": 1.0,
        "point/y": 2.0,
        "ordered/a": True,
    } == fields(event)


def test_a_clash_after_flattening_loses_nothing() -> None:
    """The first of several fields with one flattened name is kept, the others go to `extras`."""
    event = log(**{"a/b/c": 1, "a": {"b/c": 2, "b": {"c": 3}}, "a/b": {"c": 4}})

    assert 1.0 == event["a/b/c"]
    assert [2, 3, 4] == list(json.loads(event["extras"]).values())


def test_keys_with_the_same_text() -> None:
    """Distinct keys with the same text get numbers."""
    event = log(x={1: "int", "1": "text", "1 (2)": "numbered", "\udc80": 1, "\\udc80": 2})

    assert {
        "x/1": "int",
        "x/1 (2)": "text",
        "x/1 (2) (3)": "numbered",
        "x/\\udc80": 1.0,
        "x/\\udc80 (5)": 2.0,
    } == fields(event)


@pytest.mark.parametrize(
    "name", ["timestamp", "level", "logger", "run", "attempt", "rank", "seq", "nonfinite", ""]
)
def test_reserved_names_are_kept_in_extras(name: str) -> None:
    """A field can't replace a reserved name; it goes to `extras`."""
    plain, event = log(x=1), log(x=1, **{name: "mine"})

    assert {name: "mine"} == json.loads(event["extras"])
    assert set(plain) == set(event) - {"extras"}


def test_a_long_list_is_truncated() -> None:
    """A list beyond the limit is truncated; a mark has the number of missing items."""
    text = str(log(x=["a"] * (MAX_ITEMS + 5))["x"][-1])

    assert "<5 more>" == text
