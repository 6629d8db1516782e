"""Events whose names and types were seen before are finished in one go, with the same result."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.testing import capture_events
from tests.event_helpers import own

LIMITS = [2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400]
VALUES = st.one_of(
    st.floats(),
    st.sampled_from([1e308, -1e308, 0.5]),
    st.integers(-5, 5) | st.sampled_from(LIMITS),
    st.sampled_from(["a", "train", "eval", "\udc80", "ä", "1" * 1_000_001]),
    st.booleans(),
    st.none(),
)
FIELDS = ("a", "b", "loss", "step", "mode", "generation", "true_answer", "truncated", "seq")
# Few names and types, so that most events are of a shape that was there before.
CALLS = st.lists(
    st.tuples(
        st.sampled_from(["training", "model_output", "probe", "two words"]),
        st.sampled_from([FIELDS[:2], FIELDS[2:5], FIELDS[5:8], FIELDS[1:3], FIELDS[8:]]),
        st.lists(VALUES, min_size=3, max_size=3),
    ),
    max_size=20,
)


def events_of(calls: list[tuple[str, tuple[str, ...], list[Any]]], **more: Any) -> list[str]:
    """Log each call, with further fields, and return what its event has beside these."""
    with capture_events("tag_step") as events:
        for event, names, values in calls:
            logflume.get_logger().info(event, **dict(zip(names, values, strict=False)), **more)
    left_out = {"timestamp", "run", *more}
    return [repr({k: v for k, v in event.items() if k not in left_out}) for event in own(events)]


@settings(max_examples=60, deadline=None)
@given(calls=CALLS)
def test_a_shape_makes_no_difference(calls: list[Any]) -> None:
    """Events are the same where a list among their fields has them made field by field."""
    assert events_of(calls, a_list=[0.5]) == events_of(calls)


def test_an_integer_that_its_column_has_as_a_float() -> None:
    """It is a float in the first event and in those of the same shape; one too large is kept."""
    with capture_events() as events:
        for number in (1, 2, 2**53 + 1, 3):
            logflume.get_logger().info("probe", x=number)

    assert ["1.0", "2.0", "None", "3.0"] == [repr(event.get("x")) for event in own(events)]
    assert [f'{{"x":{2**53 + 1}}}'] == [event["extras"] for event in own(events)[2:3]]


def test_more_shapes_than_are_remembered() -> None:
    """Shapes without end are no trouble: each event has its fields."""
    names = [f"{first}_{second}" for first in range(40) for second in range(40)]
    with capture_events() as events:
        for index, name in enumerate(names):
            logflume.get_logger().info("probe", **{name: float(index)})

    assert list(map(float, range(len(names)))) == [
        event[name] for event, name in zip(own(events), names, strict=True)
    ]
