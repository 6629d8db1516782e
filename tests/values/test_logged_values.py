"""Values of any type: they are copied at the call, and the call never raises."""

from __future__ import annotations

import dataclasses
import enum
import json
import threading
from collections import OrderedDict, deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import logflume
from logflume.testing import capture_events
from tests.event_helpers import only, own
from tests.raising_values import (
    Angry,
    OddDict,
    OddFloat,
    OddName,
    Swearing,
    strict_json,
    through_journal,
)


class Colour(enum.Enum):
    RED = "red"


class TestTimeOfTheCall:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: [1.0, 2.0],
            lambda: deque([1.0, 2.0]),
            lambda: np.array([1.0, 2.0]),
            lambda: torch.tensor([1.0, 2.0]),
            lambda: torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True),
            lambda: np.array([[1.0, 2.0], [3.0, 4.0]])[0],
        ],
    )
    def test_sequences(self, make: Any) -> None:
        """A sequence, array or tensor changed after the call is logged as it was at the call."""
        values = make()
        with capture_events() as events, torch.no_grad():
            logflume.get_logger().info("x", values=values)
            values[0] = 99.0

        assert [1.0, 2.0] == only(events)["values"]

    def test_nested(self) -> None:
        """Nested lists and arrays and bound values are copied at the call too."""
        inner: dict[str, Any] = {"a": [1], "b": [np.array([1])]}
        bound = [1]
        with capture_events() as events:
            logflume.get_logger(bound=bound).info("x", m=inner)
            inner["a"].append(2)
            inner["b"][0][0] = 2
            bound.append(2)

        event = only(events)
        assert [1.0] == event["m/a"] == event["bound"]
        assert "2" not in json.dumps(event["m/b"])

    def test_a_generator_is_not_consumed(self) -> None:
        """Logging a generator doesn't consume it."""
        numbers = (n for n in range(3))
        with capture_events() as events:
            logflume.get_logger().info("x", numbers=numbers)

        assert [0, 1, 2] == list(numbers)
        assert "generator" in only(events)["numbers"]


class TestUnusualValues:
    @pytest.mark.parametrize("error", [ValueError("no"), Swearing(), MemoryError()])
    def test_values_that_raise(self, error: BaseException) -> None:
        """A value that raises is replaced by a mark with the error; other fields are unaffected."""
        with capture_events() as events:
            logflume.get_logger().info("x", a=1, value=Angry(error), nested=[Angry(error)], b=2)

        event = only(events)
        assert (1.0, 2.0) == (event["a"], event["b"])
        assert "Angry" in event["value"]
        assert type(error).__name__ in event["value"]

    def test_keyboard_interrupt_propagates(self) -> None:
        """Ctrl-C during a log call interrupts the program."""
        with capture_events(), pytest.raises(KeyboardInterrupt):
            logflume.get_logger().info("x", value=Angry(KeyboardInterrupt()))

    def test_system_exit_in_another_thread(self) -> None:
        """A value that calls `sys.exit` doesn't end the logging thread."""
        with capture_events() as events:
            thread = threading.Thread(
                target=lambda: logflume.get_logger().info("x", value=Angry(SystemExit(3)))
            )
            thread.start()
            thread.join()

        assert "SystemExit" in only(events)["value"]

    def test_as_event_and_as_argument(self) -> None:
        """The same applies to the first argument, other arguments and exceptions."""
        value = Angry(ValueError("no"))
        with capture_events() as events:
            log = logflume.get_logger()
            log.info(value)
            log.info("%s", value)
            log.info(OddName("x"))
            log.error("x", exc_info=ValueError(value))
            log.error("x", exc_info=value)

        assert 5 == len(own(events))

    def test_deep_and_long(self) -> None:
        """Very deep, long and large values are truncated, not rejected."""
        deep: list[Any] = []
        for _ in range(10_000):
            deep = [deep]
        with capture_events() as events:
            logflume.get_logger().info("x", deep=deep, text="a" * 10_000_000, n=10**400)

        event = only(events)
        assert 1_000_000 == len(event["text"])
        assert strict_json(event["extras"])

    @pytest.mark.parametrize(
        "value",
        [
            "\ud800 lone",
            b"\xff\x00",
            bytearray(b"a"),
            float("nan"),
            float("-inf"),
            10**30,
            -(2**63),
            OddFloat(1),
            OddDict(a=1),
            OrderedDict(b=1),
            {1: 2, None: 3, (1, 2): 4},
            {"\ud800": 1},
            {"a": {"b": {}}},
            {"": 1, "/": 2},
            [1, "a", None, [2]],
            [True, None, 1.5],
            [],
            [None],
            set(),
            (i for i in (1, 2)),
            object(),
            object,
            len,
            np.float16("nan"),
            np.array(3),
            np.array(["a"]),
            np.array([object()]),
            np.zeros((2, 0)),
            np.datetime64("2026-01-01"),
            np.longdouble(1) / 3,
            np.complex64(1j),
            torch.tensor(1),
            torch.zeros(2, 2, dtype=torch.bfloat16),
            torch.tensor([True]),
            torch.eye(2).to_sparse(),
            torch.nn.Linear(1, 1),
            torch.empty(2, device="meta"),
            torch.float32,
            Colour.RED,
            dataclasses.make_dataclass("D", ["a"])([1]),
            datetime(2026, 1, 1, tzinfo=UTC),
            timedelta(days=1),
            Decimal("NaN"),
            Path("/"),
            1j,
            ...,
            NotImplemented,
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_every_type(self, value: Any, tmp_path: Path) -> None:
        """Values of every type, alone and nested, become one line of strict JSON."""
        with capture_events() as events:
            logflume.get_logger().info("x", first=1, value=value, inner=[value], m={"k": value})

        event = only(events)
        assert 1.0 == event["first"]
        assert [event["seq"]] == [line["seq"] for line in through_journal([event], tmp_path)]
