"""Objects with fields, and containers of other libraries, as mappings and lists."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import sqlite3
from collections.abc import Iterator, MutableSequence
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

import logflume
from logflume.testing import capture_events
from tests.event_helpers import fields, only


def log(**values: Any) -> dict[str, Any]:
    """Log the values as one event and return its fields."""
    with capture_events() as events:
        logflume.get_logger().info("probe", **values)
    return fields(only(events))


def test_namespaces() -> None:
    """Namespaces become mappings, also nested ones."""
    assert {"x/a": 1.0, "x/b/c": 2.0, "args/lr": 0.5} == log(
        x=SimpleNamespace(a=1, b=SimpleNamespace(c=2)), args=argparse.Namespace(lr=0.5)
    )


def test_pydantic() -> None:
    """A model becomes its fields and extra fields; a secret stays hidden."""
    pydantic = pytest.importorskip("pydantic")
    inner = pydantic.create_model("Inner", size=(int, 3))
    config = pydantic.ConfigDict(extra="allow")
    model = pydantic.create_model(
        "Model",
        __config__=config,
        lr=(float, 0.5),
        inner=(inner, inner()),
        key=(pydantic.SecretStr, pydantic.SecretStr("hidden")),
    )

    assert {"x/lr": 0.5, "x/inner/size": 3.0, "x/key": "**********", "x/more": 1.0} == log(
        x=model(more=1)
    )


def test_attrs() -> None:
    """A class of attrs has its fields, with slots or without."""
    attrs = pytest.importorskip("attrs")
    slotted = attrs.make_class("Slotted", ["a"], slots=True)
    plain = attrs.make_class("Plain", ["b"], slots=False)

    assert {"x/a/b": 1.0} == log(x=slotted(plain(1)))


def test_omegaconf() -> None:
    """A configuration of OmegaConf is resolved; a missing value becomes a mark."""
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"lr": 0.5, "same": "${lr}", "sizes": [1, 2], "to": "???"})
    event = log(x=config, sizes=config.sizes)

    assert "MissingMandatoryValue" in event.pop("x/to")
    assert {"x/lr": 0.5, "x/same": 0.5, "x/sizes": [1.0, 2.0], "sizes": [1.0, 2.0]} == event


class Sequence(MutableSequence[int]):
    """A custom list, like that of a configuration library."""

    def __init__(self, items: list[int]) -> None:
        self._items = items

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._items[index] = value

    def __delitem__(self, index: Any) -> None:
        del self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def insert(self, index: int, value: int) -> None:
        self._items.insert(index, value)


class Keyed:
    """A mapping that isn't registered as one."""

    def keys(self) -> list[str]:
        return ["a", "b"]

    def __getitem__(self, key: str) -> int:
        return {"a": 1, "b": 2}[key]


def test_containers_of_other_libraries() -> None:
    """A registered sequence becomes a list, an object with keys and items a mapping."""
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute("select 1 as a, 'x' as b").fetchone()
    connection.close()

    assert {"x": [1.0, 2.0], "keyed/a": 1.0, "keyed/b": 2.0, "row/a": 1.0, "row/b": "x"} == log(
        x=Sequence([1, 2]), keyed=Keyed(), row=row
    )


class OneBad(dict[str, Any]):
    """A mapping of which one value can't be read."""

    def items(self) -> Any:
        raise ValueError("not all of them")

    def __getitem__(self, key: str) -> Any:
        if key == "bad":
            raise KeyError(key)
        return super().__getitem__(key)


def test_one_bad_value_of_a_mapping() -> None:
    """A value that can't be read doesn't affect the others of its mapping."""
    event = log(x=OneBad(good=1, bad=2))

    assert 1.0 == event["x/good"]
    assert "KeyError" in event["x/bad"]


@dataclasses.dataclass
class Proud:
    """One of its fields can't be read."""

    good: int = 1
    bad: int = 2

    def __getattribute__(self, name: str) -> Any:
        if name == "bad":
            raise ValueError("not this one")
        return super().__getattribute__(name)


def test_one_bad_field_of_an_object() -> None:
    """A field that can't be read doesn't affect the others of its object."""
    assert {"x/good": 1.0, "x/bad": "<value that could not be read: ValueError: not this one>"} == (
        log(x=Proud())
    )


class Phase(enum.Enum):
    TRAIN = "train"


def test_members_of_enumerations_as_keys() -> None:
    """A member of an enumeration becomes its value, also as a key."""
    assert {"x/train": 1.0, "phase": "train"} == log(x={Phase.TRAIN: 1}, phase=Phase.TRAIN)


@dataclasses.dataclass
class Unset:
    given: int
    missing: int = dataclasses.field(init=False)


class Dataset:
    """Has a length and items, each of which takes long to read."""

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("read")

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("read")


def test_what_is_not_read() -> None:
    """An unset field is left out; a dataset and a class stay their text."""
    event = log(x=Unset(1), data=Dataset(), kind=Unset)

    assert 1.0 == event["x/given"]
    assert "x/missing" not in event
    assert "Dataset object" in event["data"]
    assert "<class" in event["kind"]


def test_pydantic_1() -> None:
    """A model of `pydantic.v1` becomes its fields, too."""
    pydantic = pytest.importorskip("pydantic.v1")
    model = pydantic.create_model("Model", size=(int, 3), secret=(Any, pydantic.SecretStr("x")))

    assert {"x/size": 3, "x/secret": "**********"} == log(x=model())


def test_record_batch() -> None:
    """A record batch of Arrow becomes its columns, like a table."""
    assert {"x/a": [1.0, 2.0]} == log(x=pa.record_batch({"a": [1, 2]}))


def test_long_sequences_that_are_computed() -> None:
    """A long sequence whose items are created when they are read isn't read."""
    assert {"x": [0.0, 1.0, 2.0]} == log(x=range(3))
    assert {"x/shape": [1e12], "x/dtype": "range", "x/n": 1e12} == log(x=range(10**12))
