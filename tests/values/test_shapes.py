"""The fast path for events of a known shape gives the same events."""

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
# Few names and types, so that most events have a known shape.
CALLS = st.lists(
    st.tuples(
        st.sampled_from(["training", "model_output", "probe", "two words"]),
        st.sampled_from([FIELDS[:2], FIELDS[2:5], FIELDS[5:8], FIELDS[1:3], FIELDS[8:]]),
        st.lists(VALUES, min_size=3, max_size=3),
    ),
    max_size=20,
)


def events_of(calls: list[tuple[str, tuple[str, ...], list[Any]]], **more: Any) -> list[str]:
    """Log each call with further fields; return the events without those fields."""
    with capture_events("tag_step") as events:
        for event, names, values in calls:
            logflume.get_logger().info(event, **dict(zip(names, values, strict=False)), **more)
    excluded = {"timestamp", "run", *more}
    return [repr({k: v for k, v in event.items() if k not in excluded}) for event in own(events)]


@settings(max_examples=60, deadline=None)
@given(calls=CALLS)
def test_fast_path_gives_the_same_events(calls: list[Any]) -> None:
    """Events are the same if an additional list field forces processing field by field."""
    assert events_of(calls, a_list=[0.5]) == events_of(calls)


def test_integers_in_a_column_of_numbers() -> None:
    """They are floats in every event; an integer that no float represents goes to `extras`."""
    with capture_events() as events:
        for number in (1, 2, 2**53 + 1, 3):
            logflume.get_logger().info("probe", x=number)

    assert ["1.0", "2.0", "None", "3.0"] == [repr(event.get("x")) for event in own(events)]
    assert [f'{{"x":{2**53 + 1}}}'] == [event["extras"] for event in own(events)[2:3]]


def test_more_shapes_than_the_cache_holds() -> None:
    """Events are correct with an unlimited number of shapes."""
    names = [f"{first}_{second}" for first in range(40) for second in range(40)]
    with capture_events() as events:
        for index, name in enumerate(names):
            logflume.get_logger().info("probe", **{name: float(index)})

    assert list(map(float, range(len(names)))) == [
        event[name] for event, name in zip(own(events), names, strict=True)
    ]
