"""How an event is finished doesn't depend on the events before it, except for the kinds."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logflume.runs.info import RunInfo
from logflume.values.normalize import Normalizer

RUN = RunInfo(run="earlier")
HEAD = {"timestamp": "2026-01-01T00:00:00.000000Z", "level": "info", "logger": "reward"}

NUMBERS = st.one_of(
    st.floats(width=16),  # few values, and often NaN or infinite
    st.integers(-3, 3),
    st.just(2**70),
    st.none(),
    st.booleans(),
)
LISTS = st.lists(NUMBERS, max_size=4) | st.lists(st.floats(0, 1) | st.none(), max_size=4)
VALUES = st.one_of(NUMBERS, LISTS, st.text(max_size=3), st.lists(st.text(max_size=2), max_size=2))
FIELDS = st.fixed_dictionaries({"rewards/a": LISTS | VALUES, "own": LISTS | VALUES, "x": VALUES})


@given(st.lists(st.tuples(st.sampled_from(["reward", "own_type"]), FIELDS), max_size=12))
def test_earlier_events_change_nothing(
    logged: list[tuple[str, dict[str, Any]]],
) -> None:
    """A normalizer with a memory finishes events as one that has only the kinds of the fields."""
    with_memory = Normalizer(RUN)

    for number, (event_type, fields) in enumerate(logged):
        event_dict = {**HEAD, "event": event_type, **fields}
        without_memory = Normalizer(RUN, deepcopy(with_memory.kinds))
        without_memory.seq = number

        expected = repr(without_memory.finish(deepcopy(event_dict)))

        assert expected == repr(with_memory.finish(event_dict))
