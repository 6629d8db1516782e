"""Any logged values: no call raises, and every event is one line of strict JSON."""

from __future__ import annotations

from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.testing import capture_events
from tests.event_helpers import own
from tests.raising_values import Angry, OddDict, OddFloat, Swearing, through_journal

names = st.text(max_size=8) | st.sampled_from(["step", "mode", "event", "extras", "nonfinite", "_"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.fractions()
    | st.builds(range, st.integers(-(10**9), 10**9))
    | st.builds(array, st.just("d"), st.lists(st.floats()))
    | st.builds(Angry, st.sampled_from([ValueError("no"), KeyError(), Swearing()]))
    | st.builds(OddFloat, st.floats())
    | st.builds(np.float32, st.floats(width=32))
    | st.builds(np.array, st.lists(st.floats()))
    | st.builds(torch.tensor, st.lists(st.floats(width=32))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(names | st.integers() | st.none(), inner, max_size=4)
        | st.builds(SimpleNamespace, a=inner, b=inner)
        | st.builds(OddDict, st.dictionaries(names, inner, max_size=2))
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal")


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.tuples(values, st.dictionaries(names, values, max_size=4)), max_size=8))
def test_any_values(calls: list[tuple[Any, dict[str, Any]]], folder: Path) -> None:
    """For any values, no call raises and every event is one line of strict JSON."""
    with capture_events("tag_step", "flatten_rewards") as events:
        log = logflume.get_logger()
        for event, given_fields in calls:
            log.info(event, **given_fields)
            log.bind(**given_fields).error("reward")

    assert 2 * len(calls) == len(own(events))
    (folder / "events.jsonl").unlink(missing_ok=True)
    assert [e["seq"] for e in events] == [line["seq"] for line in through_journal(events, folder)]
