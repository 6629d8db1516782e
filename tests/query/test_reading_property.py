"""Property test: logged events are read back unchanged from Parquet and the journal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from tests.query.independent import journaled, without_nulls
from tests.query.training_run import start

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
VALUES = st.one_of(
    NUMBERS,
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.text(max_size=20),
    st.lists(st.one_of(NUMBERS, st.none()), max_size=5),
    st.lists(st.text(max_size=5), max_size=3),
)
FIELDS = st.dictionaries(st.sampled_from(["a", "b", "c.0", "c/d"]), VALUES, max_size=4)
STEPS = st.one_of(st.none(), st.integers(0, 5))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(STEPS, FIELDS), max_size=12), st.integers(0, 12))
def test_any_fields(events: list[tuple[int | None, dict[str, Any]]], flushed: int) -> None:
    """Each event is read once with its values, wherever Parquet ends and the journal takes over."""
    with tempfile.TemporaryDirectory() as folder:
        run = start(Path(folder))
        log = logflume.get_logger()
        for index, (step, fields) in enumerate(events):
            if index == flushed:
                logflume.flush()
            log.info("probe", step=step, number=index, **fields)
        log.error("written at once")
        opened = logflume.open_run(run.folder)
        while opened.types().get("message") != 1:
            pass
        rows = opened.events("probe").to_pylist()
        expected = [without_nulls(event) for event in journaled(run.folder, "probe")]
        assert list(map(as_text, expected)) == list(map(as_text, map(as_journaled, rows)))
        numbers = opened.events("probe", columns=["number"], steps=(1, 3))["number"].to_pylist()
        assert [n for n, (step, _) in enumerate(events) if step in (1, 2, 3)] == numbers
        logflume.shutdown()
        assert list(map(as_text, expected)) == [
            as_text(as_journaled(row))
            for row in logflume.open_run(run.folder).events("probe").to_pylist()
        ]


def as_journaled(row: dict[str, Any]) -> dict[str, Any]:
    time = row["timestamp"].isoformat(timespec="microseconds").replace("+00:00", "Z")
    return without_nulls({**row, "timestamp": time})


def as_text(event: dict[str, Any]) -> str:
    return repr(sorted(event.items()))
