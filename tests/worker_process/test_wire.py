"""What the two processes write to each other comes out as it went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from logflume.worker_process.wire import EventBatch, decode, encode, mentions_main

_ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary()
_TEXTS = st.text(st.characters(exclude_categories=()))
_VALUES = st.recursive(
    _ATOMS | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
)


@given(st.dictionaries(_TEXTS, _VALUES, max_size=6), _TEXTS)
def test_any_values_arrive(fields: dict[str, object], event: str) -> None:
    """Names and values of any plain type, lone surrogates too, arrive as they were."""
    call: Any = (1, "training", "info", event, {"step": 3}, fields, (3, "train"))
    for items in ([call], [call, 2]):
        arrived = decode(encode(EventBatch(items, (4, None))))
        assert (items, (4, None)) == (arrived.items, arrived.position)


def _call(event: str = "training", **fields: Any) -> Any:
    return (1, "training", "info", event, {}, fields, (None, None))


def test_names_arrive_as_one_object() -> None:
    """The names of fields are the same objects in all parcels: comparing them is no work."""

    def names() -> list[str]:
        return list(decode(encode(EventBatch([_call(loss=0.5, kl=0.1)], (None, None)))).items[0][5])

    assert all(one is other for one, other in zip(names(), names(), strict=True))


def test_what_is_not_plain_arrives_too() -> None:
    """Values, names and positions of other types arrive as they were, beside plain ones."""
    text: Any = np.str_("n")
    number: Any = np.int64(3)
    named: dict[str, Any] = {text: 1.0}
    odd = [
        _call(path=Path("a") / "b"),
        _call(**named),
        (1, text, "info", "x", {}, {}, (None, None)),
        (1, "training", "info", "x", named, {}, (number, text)),
    ]
    for call in odd:
        arrived = decode(encode(EventBatch([_call(loss=0.5), call], (None, None))))
        assert [_call(loss=0.5), call] == arrived.items
    assert (number, None) == decode(encode(EventBatch([], (number, None)))).position


def test_only_a_pickle_can_need_the_script() -> None:
    """The name of the training's script is no obstacle in a text."""
    text = [_call("raised in __main__")]
    plain = encode(EventBatch(text, (None, None)))
    pickled = encode(EventBatch([*text, _call(path=Path())], (None, None)))

    assert (False, True) == (mentions_main(plain), mentions_main(pickled))
