"""Fields without a column in a CSV file: whatever the batches are, a sound file is sound."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.maintenance.doctor import diagnose
from tests.maintenance.runs import start

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(),
    st.text(max_size=10),
    st.lists(st.floats(), max_size=3),
)
EVENTS = st.lists(st.dictionaries(st.sampled_from(["b", "a", "d", "c", "e,\n"]), VALUES))


@settings(max_examples=30, deadline=None)
@given(EVENTS, st.sets(st.integers(0, 10)))
def test_any_late_fields(events: list[dict[str, Any]], flushed: set[int]) -> None:
    """The doctor finds nothing wrong, wherever batches end and whatever their events have."""
    with TemporaryDirectory() as folder:
        run = start(Path(folder))
        for index, fields in enumerate(events):
            logflume.get_model_logger().info("model_output", model_output="x", **fields)
            if index in flushed:
                logflume.flush()
        logflume.shutdown()
        assert [] == diagnose(run)


@pytest.mark.parametrize("value", [-math.inf, math.inf, math.nan, "-inf", "-Infinity", "nan", "-"])
def test_infinities(value: Any, tmp_path: Path) -> None:
    """Infinities are sound with and without a column, and so are the texts that name them."""
    run = start(tmp_path)
    log = logflume.get_model_logger()
    declared = {"advantage": value} if isinstance(value, float) else {"prompt": value}
    log.info("model_output", model_output="x", late=value, **declared)
    logflume.shutdown()
    assert [] == diagnose(run)


def write(folder: Path) -> Path:
    """Write a run with two late fields, whose names change their order."""
    run = start(folder)
    log = logflume.get_model_logger()
    log.info("model_output", model_output="x", b=2.0)
    logflume.flush()
    log.info("model_output", model_output='y "z"', b=2.0, a=1.5)
    log.info("model_output", model_output="z", a=1.5, b=2.0)
    logflume.shutdown()
    return run


def replace_extras(path: Path, change: Any) -> None:
    """Change the cells of the column `extras`, each a JSON object."""
    header, *rows = csv.reader(io.StringIO(path.read_text()))
    changed = [[*row[:-1], json.dumps(change(json.loads(row[-1])))] for row in rows]
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *changed])


def test_the_order_of_late_fields(tmp_path: Path) -> None:
    """Late fields are in alphabetical order, but files with another order are sound as well."""
    run = write(tmp_path)
    _, *rows = csv.reader(io.StringIO((run / "outputs.csv").read_text()))
    assert ['{"b":2.0}', *['{"a":1.5,"b":2.0}'] * 2] == [row[-1] for row in rows]
    replace_extras(run / "outputs.csv", lambda extras: dict(reversed(extras.items())))
    assert [] == diagnose(run)


def test_another_value_of_a_late_field(tmp_path: Path) -> None:
    """A late field with another value than in the journal is damage."""
    run = write(tmp_path)
    replace_extras(run / "outputs.csv", lambda extras: {**extras, "b": 3.0})
    assert {"outputs.csv"} == {issue.file for issue in diagnose(run)}
