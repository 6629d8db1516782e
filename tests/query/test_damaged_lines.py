"""Journals with lines that are valid JSON, but not events, and with files that can't be opened."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logflume
from logflume.exceptions import LogflumeError
from logflume.formats import journal
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.event_helpers import RESERVED
from tests.length import examples
from tests.query.training_run import write_run

IN_A_LINE = re.compile(r"events\.jsonl, line \d+: ")
KINDS = ("csv", "parquet", "tensorboard", "console", "jsonl")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two attempts that is read from its journal."""
    folder = write_run(tmp_path_factory.mktemp("runs"), range(1, 4), range(3, 6))
    shutil.rmtree(folder / "parquet")
    (folder / "run.json").unlink()
    return folder


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**65),
    st.sampled_from([10**400, -1, 2**63, 1e308, -0.0, 0.5]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["NaN", "nan", "Infinity", "1", "\udc80", "\x00", "0001-01-01T00:00:00+23:59", "../x", "{}"]
    ),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.text(max_size=3), SCALARS, max_size=2),
    st.sampled_from([nested(1), nested(500), nested(900), {"a": nested(500)}, [{}], [[1.0]]]),
    st.dictionaries(
        st.sampled_from(["loss", "loss.0", "right.2", "right.-1", "right.9", "step", "mode", "no"]),
        st.one_of(st.sampled_from(["NaN", "-Infinity", "1.5", "x", ""]), SCALARS),
        max_size=2,
    ),
)
NAMES = st.sampled_from(
    [
        *RESERVED,
        "process",
        "extras",
        "nonfinite",
        "loss",
        "rewards/right",
        "model_output",
        "answer",
        "config",
        "schema_version",
        "exception",
        "group",
        "num_generations",
        "new",
        "",
        "\udc80",
    ]
)
Change = Callable[[dict[str, Any]], Any]
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(lambda n, v: lambda e: {**e, n: v}, NAMES, VALUES),
    st.builds(lambda n: lambda e: {k: v for k, v in e.items() if k != n}, NAMES),
    st.builds(lambda v: lambda e: v, VALUES),
    st.builds(lambda: lambda e: list(e.values())),
)


def change_line(folder: Path, index: int, change: Change) -> None:
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines()
    index %= len(lines)
    lines[index] = json.dumps(change(json.loads(lines[index])))
    path.write_text("\n".join(lines) + "\n")


def read_all(folder: Path, out: Path) -> list[LogflumeError]:
    """Read a run in every way, and return the errors."""
    errors = []
    run = logflume.open_run(folder)
    for read in (
        lambda: list(run),
        lambda: [run.events(name).to_pylist() for name in run.types()],
        lambda: run.metrics().to_pylist(),
        lambda: run.metrics(wide=True).to_pylist(),
        lambda: run.rewards().to_pylist(),
        lambda: run.outputs(worst=3).to_pylist(),
        lambda: run.sql("select count(*), max(loss) from training").to_pylist(),
        lambda: run.info,
        lambda: diagnose(folder),
        lambda: replay(folder, KINDS, out),
        lambda: repair(folder),
    ):
        try:
            read()
        except LogflumeError as error:
            errors.append(error)
    return errors


@settings(
    max_examples=examples(8),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(index=st.integers(0, 60), change=CHANGES)
def test_any_line(index: int, change: Change, healthy: Path) -> None:
    """Whatever JSON a line is, reading succeeds, or names the file and the line."""
    with TemporaryDirectory() as parent:
        folder = shutil.copytree(healthy, Path(parent) / "r")
        change_line(folder, index, change)
        for error in read_all(folder, Path(parent) / "out"):
            assert isinstance(error, logflume.QueryError) or IN_A_LINE.search(str(error)), error


@pytest.mark.parametrize(
    "nonfinite",
    [
        *([], "NaN", {"no": "NaN"}, {"loss": "NaN"}, {"loss.0": "NaN"}, {"step": "NaN"}),
        *({"note": "1.5"}, {"note": "nan"}, {"note": None}, {"right.0": "NaN"}),
        *({"right.9": "NaN"}, {"right.-1": "NaN"}, {"right.x": "NaN"}, {"": "NaN"}, nested(500)),
    ],
)
def test_damaged_nonfinite(nonfinite: Any, healthy: Path, tmp_path: Path) -> None:
    """A `nonfinite` that doesn't match the event's nulls is an error with file and line."""
    folder = shutil.copytree(healthy, tmp_path / "r")
    own = {"event": "probe", "loss": 1.0, "note": None, "right": [1.0, None], "step": None}
    change_line(folder, 4, lambda event: {**event, **own, "nonfinite": nonfinite})
    for read in (list, lambda run: run.events("probe"), lambda run: run.metrics()):
        with pytest.raises(logflume.RunError, match=r"events\.jsonl, line 5: not an event: "):
            read(logflume.open_run(folder))
    assert ["events that don't match the schema"] == [
        issue.what for issue in diagnose(folder) if "match" in issue.what
    ]


@pytest.mark.parametrize("nonfinite", [None, {}])
def test_an_absent_nonfinite(nonfinite: Any, healthy: Path, tmp_path: Path) -> None:
    """`nonfinite` may be null or empty."""
    folder = shutil.copytree(healthy, tmp_path / "r")
    change_line(folder, 4, lambda event: {**event, "nonfinite": nonfinite})
    assert logflume.open_run(healthy).types() == logflume.open_run(folder).types()


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 5_000])
def test_a_huge_seq(digits: str, tmp_path: Path) -> None:
    """A `seq` with any number of digits is an error with file and line, in a killed run, too."""
    folder = write_run(tmp_path, range(1, 4))
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "complete": {}}))
    path = folder / "events.jsonl"
    *lines, last = path.read_text().splitlines(keepends=True)
    changed = re.sub(r'"seq":\d+', f'"seq":{digits}', last)
    path.write_text("".join([*lines, changed.replace('"step":null', '"step":"x"')]))
    errors = read_all(folder, tmp_path / "out")
    assert all(IN_A_LINE.search(str(error)) for error in errors)


def test_a_line_that_only_the_journal_has(tmp_path: Path) -> None:
    """The line is named, too, where reading starts in the middle of the journal."""
    folder = write_run(tmp_path, range(1, 4))
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "complete": {}}))
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    added = re.sub(r'"seq":\d+', f'"seq":{len(lines)}', lines[-1])
    with (folder / "events.jsonl").open("a") as file:
        file.write(added.replace('"level":"info"', '"level":5'))
    with pytest.raises(logflume.RunError, match=rf"events\.jsonl, line {len(lines) + 1}: "):
        logflume.open_run(folder).types()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


MAKERS = {
    "folder": Path.mkdir,
    "FIFO": make_fifo,
    "link to nothing": link_to("nowhere"),
    "link to itself": link_to("loop"),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("name", ["events.jsonl", "events.000001.jsonl", "events.000001.jsonl.zst"])
def test_what_is_no_file(
    make: Callable[[Path], None],
    name: str,
    healthy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder, a FIFO or a dangling link in place of a journal's file is an error, not a hang."""
    monkeypatch.setattr(journal, "_OPEN_TIMEOUT_S", 0.05)
    folder = shutil.copytree(healthy, tmp_path / "r")
    (folder / name).unlink(missing_ok=True)
    (folder / "loop").symlink_to("loop")
    make(folder / name)
    run = logflume.open_run(folder)
    for read in (run.types, run.metrics, lambda: list(run), lambda: diagnose(folder)):
        with pytest.raises(logflume.RunError, match=re.escape(name)):
            read()
