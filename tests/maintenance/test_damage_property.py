"""Runs with random damage: flipped, inserted or removed bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logflume
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from tests.length import examples
from tests.maintenance.readers import read_outputs
from tests.maintenance.runs import write_large

Damage = tuple[str, float, int]
"""The operation, where in the file (0 to 1), and the bit or the number of bytes."""

damages = st.tuples(
    st.sampled_from(["flip", "truncate", "drop", "insert"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7),
)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"))


def apply(path: Path, damage: Damage) -> None:
    """Damage a file."""
    operation, where, number = damage
    content = bytearray(path.read_bytes())
    offset = int(where * len(content))
    if operation == "flip":
        content[offset : offset + 1] = bytes([content[offset] ^ 1 << number])
    elif operation == "truncate":
        del content[offset:]
    elif operation == "drop":
        del content[offset : offset + number + 1]
    else:
        content[offset:offset] = bytes([number * 31]) * (number + 1)
    path.write_bytes(content)


def files(folder: Path, pattern: str) -> list[Path]:
    """Return the files below a folder that match a pattern and are not empty."""
    return sorted(path for path in folder.rglob(pattern) if path.is_file() and path.stat().st_size)


def read_events(folder: Path) -> list[str]:
    """Return the events without fields that are None."""
    run = logflume.open_run(folder, attempts="all")
    return sorted(repr({n: v for n, v in event.items() if v is not None}) for event in run)


def read_checked(folder: Path) -> dict[str, Any]:
    """Return the content of all sink files; of a text log, only its number of lines is checked."""
    outputs = read_outputs(folder)
    return {**outputs, "log": {name: log.count("\n") for name, log in outputs["log"].items()}}


SINK_FILES = ["*.parquet", "*.csv", "*.log", "events.out.*"]


@pytest.mark.parametrize("pattern", SINK_FILES)
@given(which=st.integers(0, 100), damage=damages)
@settings(
    max_examples=examples(3),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damaged_sink_files(pattern: str, which: int, damage: Damage, large: Path) -> None:
    """Readers get the same content, or the damage is reported; a repair restores the content."""
    with TemporaryDirectory() as parent:
        folder = shutil.copytree(large, Path(parent) / "r")
        before = read_checked(folder)
        candidates = files(folder, pattern)
        apply(candidates[which % len(candidates)], damage)
        issues = diagnose(folder)

        if not issues:
            assert before == read_checked(folder)
        assert [] == repair(folder)
        assert before == read_checked(folder)


@given(which=st.integers(0, 100), damage=damages)
@settings(
    max_examples=examples(8),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damaged_journals(which: int, damage: Damage, large: Path) -> None:
    """Every lost or changed event is reported; after a repair the rest can be read."""
    with TemporaryDirectory() as parent:
        folder = shutil.copytree(large, Path(parent) / "r")
        before = read_events(folder)
        candidates = files(folder, "events*.jsonl*")
        apply(candidates[which % len(candidates)], damage)
        issues = diagnose(folder)
        remaining = repair(folder)

        events = read_events(folder)
        if events != before:
            assert issues
        assert remaining == repair(folder)
        assert len(events) <= len(before)
