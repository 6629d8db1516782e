"""A run with bytes flipped or cut at random places."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logflume
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from tests.maintenance.readers import read_outputs
from tests.maintenance.runs import write_large

Damage = tuple[str, float, int]
"""What is done, where in the file, and with which bit, or how many bytes."""

damages = st.tuples(
    st.sampled_from(["flip", "cut", "drop", "insert"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7),
)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"))


def apply(path: Path, damage: Damage) -> None:
    how, where, number = damage
    content = bytearray(path.read_bytes())
    place = int(where * len(content))
    if how == "flip":
        content[place : place + 1] = bytes([content[place] ^ 1 << number])
    elif how == "cut":
        del content[place:]
    elif how == "drop":
        del content[place : place + number + 1]
    else:
        content[place:place] = bytes([number * 31]) * (number + 1)
    path.write_bytes(content)


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file() and path.stat().st_size)


def read_said(folder: Path) -> list[str]:
    """Return the events without fields that say nothing."""
    run = logflume.open_run(folder, attempts="all")
    return sorted(repr({n: v for n, v in event.items() if v is not None}) for event in run)


OUTPUTS = ["*.parquet", "*.csv", "*.log", "events.out.*"]


@pytest.mark.parametrize("pattern", OUTPUTS)
@given(which=st.integers(0, 100), damage=damages)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_outputs(pattern: str, which: int, damage: Damage, large: Path) -> None:
    """What readers get is as before, or the damage is found; the repair makes it as before."""
    with TemporaryDirectory() as place:
        folder = shutil.copytree(large, Path(place) / "r")
        before = read_outputs(folder)
        candidates = files(folder, pattern)
        apply(candidates[which % len(candidates)], damage)
        found = diagnose(folder)

        if not found:
            assert before == read_outputs(folder)
        assert [] == repair(folder)
        assert before == read_outputs(folder)


@given(which=st.integers(0, 100), damage=damages)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_journals(which: int, damage: Damage, large: Path) -> None:
    """Every event that is lost or changed is noticed; afterwards the rest can be read."""
    with TemporaryDirectory() as place:
        folder = shutil.copytree(large, Path(place) / "r")
        before = read_said(folder)
        candidates = files(folder, "events*.jsonl*")
        apply(candidates[which % len(candidates)], damage)
        found = diagnose(folder)
        left = repair(folder)

        events = read_said(folder)
        if events != before:
            assert found
        assert left == repair(folder)
        assert len(events) <= len(before)
