"""Any log calls: one valid event per call, and one kind per field."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from enum import Enum
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import orjson
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import logflume
from logflume.events.catalogue import CATALOGUE
from logflume.values.declared import declared_kind
from logflume.values.kinds import Kind
from logflume.values.schema import event_schema

VALIDATOR = Draft202012Validator(event_schema())
CYCLE: list[Any] = [1]
CYCLE.append({"again": CYCLE})


class Raising:
    """Raises an error in every operation."""

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError(name)

    def _raise(self, *_args: Any) -> Any:
        raise MemoryError("\udc80")

    __str__ = __repr__ = __len__ = __iter__ = __bool__ = __eq__ = __float__ = _raise
    __hash__ = object.__hash__


class Overstating(list[Any]):
    """A list that overstates its length."""

    def __len__(self) -> int:
        return 10**9


class Placeholder(Enum):
    """Stands for a value that Hypothesis can't handle, until it is logged."""

    RAISING = 0
    CLASS = 1
    OVERSTATING = 2
    CYCLE = 3
    OBJECT = 4
    FUNCTION = 5
    ERROR = 6
    LARGE = 7
    HUGE = 8
    META = 9


PLACEHOLDER_VALUES = [
    Raising(),
    Raising,
    Overstating([1]),
    CYCLE,
    object(),
    print,
    ValueError("\udc80"),
    10**400,
    10**5000,
    torch.ones(1, device="meta"),
]
TENSORS = [
    torch.tensor(0.5, dtype=torch.bfloat16),
    torch.ones(2, 2),
    torch.zeros(0),
    torch.tensor([float("nan")]),
]
TEXT = st.text(st.characters(), max_size=8)
COMMON_NAMES = (
    "x y a.0 a step mode loss seq event timestamp message extras rewards rewards/a rewards/mean"
    " rewards/a/mean exc_info nonfinite weights"
)
NAMES = TEXT | st.sampled_from(COMMON_NAMES.split())
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.binary(max_size=4),
    st.datetimes(),
    st.decimals(),
    st.complex_numbers(),
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_side=2)),
    st.sampled_from(TENSORS),
    st.sampled_from(Placeholder),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.integers() | st.none(), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.lists(st.floats() | st.integers() | st.none(), max_size=3)
        | st.lists(TEXT | st.none(), max_size=3)
    ),
    max_leaves=6,
)
CALLS = st.tuples(
    st.sampled_from([*CATALOGUE, "probe", "two words"]) | TEXT,
    st.dictionaries(NAMES, VALUES, max_size=5),
)


def replace_placeholders(value: Any) -> Any:
    """Replace placeholders by their values."""
    if isinstance(value, Placeholder):
        return PLACEHOLDER_VALUES[value.value]
    if isinstance(value, dict):
        return {key: replace_placeholders(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(replace_placeholders(item) for item in value)
    return value


def journal_of(calls: list[tuple[Any, dict[str, Any]]]) -> list[bytes]:
    """Log the calls in a run and return their lines of the journal."""
    with tempfile.TemporaryDirectory() as folder:
        run = logflume.initialize(
            {
                "dir": folder,
                "root": {"sinks": ["jsonl"]},
                "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
                "processors": ["redact_secrets", "tag_step", "flatten_rewards"],
            }
        )
        for event, values in calls:
            logflume.get_logger("mine").info(event, **replace_placeholders(values))
        logflume.shutdown()
        lines = (Path(run.folder) / "events.jsonl").read_bytes().splitlines(keepends=True)
    return [line for line in lines if orjson.loads(line)["logger"] == "mine"]


def json_kind(value: Any) -> str | None:
    """Return the kind of a JSON value; None if it could be of any kind."""
    if isinstance(value, list):
        items = {json_kind(item) for item in value} - {None}
        return f"list of {items.pop()}" if len(items) == 1 else (str(items) if items else "list")
    return {bool: "boolean", int: "number", float: "number", str: "text"}.get(type(value))


def is_one_kind(kinds: set[str]) -> bool:
    """Whether one column can hold values of these kinds; an empty list fits any list."""
    definite = kinds - {"list"}
    if len(definite) != 1:
        return not definite
    return kinds == definite or definite.pop().startswith("list of")


@pytest.fixture(scope="module", autouse=True)
def _quiet_numpy() -> Any:
    with np.errstate(all="ignore"):
        yield


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls=st.lists(CALLS, max_size=12))
def test_every_call_is_one_valid_event(calls: list[tuple[Any, dict[str, Any]]]) -> None:
    """Every call gives one valid line, and no field has two kinds."""
    lines = journal_of(calls)
    events = [orjson.loads(line) for line in lines]
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in events:
        for name, value in event.items():
            if (kind := json_kind(value)) and name != "nonfinite":
                kinds[event["event"], name].add(kind)

    assert len(calls) == len(lines)
    assert all(line.endswith(b"\n") for line in lines)
    assert [] == [error.message for event in events for error in VALIDATOR.iter_errors(event)]
    assert {} == {key: names for key, names in kinds.items() if not is_one_kind(names)}


PARTS = (
    "rewards weights a mean std n total frac_zero_std gpu 0 power_watts memory_used_bytes torch"
    " _bytes sinks dropped failed processors completions exception frames type ä ("
)
SCHEMA_NAMES = st.lists(
    st.sampled_from([*PARTS.split(), "b c", "x\n"]), min_size=1, max_size=5
).map("/".join)
EXAMPLES = {
    Kind.BOOLEAN: True,
    Kind.INTEGER: 3,
    Kind.NUMBER: 0.5,
    Kind.TEXT: "text",
    Kind.INTEGERS: [3],
    Kind.NUMBERS: [0.5],
    Kind.TEXTS: ["text"],
}


@settings(max_examples=200, deadline=None)
@given(event_type=st.sampled_from(sorted(CATALOGUE)), name=SCHEMA_NAMES)
def test_the_schema_and_the_columns_agree(event_type: str, name: str) -> None:
    """A declared field has the same kind in the JSON Schema, and no other."""
    kind = declared_kind(event_type, name)
    event = {
        "timestamp": "2026-11-23T06:00:00.123456Z",
        "level": "info",
        "logger": "mine",
        "event": event_type,
        "run": "r",
        **dict.fromkeys(("attempt", "rank", "seq", "step"), 0),
    }
    valid = {
        other for other, value in EXAMPLES.items() if VALIDATOR.is_valid({**event, name: value})
    }
    expected = set(EXAMPLES) if kind is None else {kind}
    # In JSON Schema, an integer is a number too, also in a list.
    expected |= {Kind.INTEGER} if kind is Kind.NUMBER else set()
    expected |= {Kind.INTEGERS} if kind is Kind.NUMBERS else set()

    assert kind is None or kind in valid
    assert "\n" in name or valid == expected
