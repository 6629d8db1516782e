"""Runs of many ranks: one listing of the folder for a question, and the same answers as ever."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.formats.journal import open_journal, read_lines
from logflume.maintenance.doctor import diagnose
from logflume.query.last_values import read_ends
from logflume.query.open_run import Run
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.sinks.jsonl import JsonlSink
from logflume.sinks.parquet.sink import ParquetSink
from logflume.values.normalize import Normalizer
from tests.benchmarks.many_ranks import make_many_ranks
from tests.query.independent import journaled, without_nulls
from tests.query.test_reading_property import as_journaled, as_text
from tests.query.training_run import log_steps, start, write_run


def ask_several(run: Run) -> list[Any]:
    """Return the answers to what `logflume show` needs, as of one moment."""
    now = run.pinned()
    metrics = now.metrics("reward", wide=True)
    return [now.info, now.types(), metrics.to_pylist(), now.total_duration_s]


QUESTIONS: dict[str, Callable[[Run], Any]] = {
    "several together": ask_several,
    "info": lambda run: run.info,
    "types": lambda run: run.types(),
    "metrics": lambda run: run.metrics(),
    "metrics, wide": lambda run: run.metrics("reward", wide=True),
    "outputs": lambda run: run.outputs(worst=5),
    "sql": lambda run: run.sql("select count(*) from reward"),
    "journals": list,
}


@contextmanager
def rank_of_a_job(rank: int) -> Iterator[None]:
    """Be this rank of a job on one machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RANK", "LOCAL_RANK"):
            patch.setenv(name, str(rank))
        yield


def copy_live(folder: Path, target: Path, rank: int) -> None:
    """Copy the files of a live rank, once the journal has everything that was logged."""
    logflume.get_logger().error("written at once")
    suffix = f"-rank{rank}" if rank else ""
    while b"written at once" not in (folder / f"events{suffix}.jsonl").read_bytes():
        pass
    target.mkdir(exist_ok=True)
    for name in (f"events{suffix}.jsonl", f"run{suffix}.json"):
        shutil.copy(folder / name, target / name)
    shutil.copytree(folder / f"parquet{suffix}", target / f"parquet{suffix}")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two ranks, copied while each was live: Parquet lacks the last step."""
    folder = tmp_path_factory.mktemp("source")
    for rank in (0, 1):
        with rank_of_a_job(rank):
            run = start(folder / "live")
            log_steps(range(1, 5))
            logflume.flush()
            log_steps([5])
            copy_live(run.folder, folder / "r", rank)
            logflume.shutdown()
    return folder / "r"


@pytest.fixture(scope="module")
def runs(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Runs of several numbers of ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    return {ranks: make_many_ranks(source, folder / f"of-{ranks}", ranks) for ranks in (3, 12, 24)}


def calls(function: Callable[[], Any]) -> Counter[tuple[str, str]]:
    """Count the folders that a call lists, and the files that it opens, by path."""
    found: Counter[tuple[str, str]] = Counter()
    is_on = True

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if is_on and event in ("os.scandir", "os.listdir", "open"):
            found[event.removeprefix("os."), str(arguments[0])] += 1

    sys.addaudithook(count)  # can't be removed, only be turned off
    function()
    is_on = False
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_folder_is_listed_once_for_a_question(question: str, runs: dict[int, Path]) -> None:
    """Whatever the number of ranks; and what is listed and opened grows with it, not faster."""
    totals = {}
    for ranks, folder in runs.items():
        run = logflume.open_run(folder)
        QUESTIONS[question](run)  # whatever is imported or cached the first time
        found = calls(lambda run=run: QUESTIONS[question](run))  # type: ignore[misc]
        assert 1 == found["scandir", str(folder)] + found["listdir", str(folder)]
        totals[ranks] = sum(n for (_, path), n in found.items() if path.startswith(str(folder)))
    assert 0 < totals[24] - totals[12] <= (totals[12] - totals[3]) * 12 / 9


def opened_parts(function: Callable[[], Any]) -> dict[str, int]:
    """Count how often a call opens each Parquet part."""
    return {path: n for (_, path), n in calls(function).items() if path.endswith(".parquet")}


def test_metrics_of_many_ranks_open_each_part_once(runs: dict[int, Path]) -> None:
    """As for the events, also if the lists of rewards are needed: they weight shares of groups."""
    run = logflume.open_run(runs[12])
    found: list[Any] = []
    opened = opened_parts(lambda: found.append(run.metrics(wide=True, events="reward")))
    assert 12 <= len(opened)
    assert opened_parts(lambda: run.events("reward")) == opened
    assert "rewards/total/frac_zero_std" in found[0].column_names


def test_a_run_of_many_ranks_has_the_events_of_its_journals(runs: dict[int, Path]) -> None:
    """Each event once, of parts and of journals, whose events are converted together."""
    run = logflume.open_run(runs[12])
    for event_type in ("reward", "model_output", "training", "message"):
        expected = sorted(as_text(without_nulls(e)) for e in journaled(runs[12], event_type))
        rows = run.events(event_type).to_pylist()
        assert expected == sorted(as_text(as_journaled(row)) for row in rows)
    assert (list(range(12)), 5) == (run.info.ranks, run.info.last_step)
    assert Counter(e["event"] for e in journaled(runs[12])) == run.types()


def test_parts_that_are_replaced_between_two_questions(
    runs: dict[int, Path], tmp_path: Path
) -> None:
    """Several questions together have the same answers as one by one, whatever becomes of files."""
    folder = shutil.copytree(runs[3], tmp_path / "r")
    run = logflume.open_run(folder)
    one_by_one = [run.types(), run.metrics().to_pylist(), run.info.last_step]
    now = run.pinned()
    answers: list[Any] = [now.types()]
    for part in folder.glob("parquet*/*/*.parquet"):
        part.rename(part.with_name(part.name.replace(".parquet", "-1.parquet")))
    answers += [now.metrics().to_pylist(), now.info.last_step]
    assert one_by_one == answers


VALUES = st.one_of(st.floats(), st.text(max_size=5), st.lists(st.floats(), max_size=3))
LOGGED = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c/d"]), VALUES), max_size=5)


def write_rank(folder: Path, rank: int, before: list[Any], after: list[Any]) -> None:
    """Write the files of a live rank: its Parquet parts don't have the last events."""
    run = RunInfo(run="r", dir=folder, rank=rank)
    normalizer = Normalizer(run)
    header = {"timestamp": "2026-01-01T00:00:00.000000Z", "level": "info", "logger": "training"}
    events = [normalizer.finish({**header, "event": "probe", **x}) for x in [*before, *after]]
    journal = JsonlSink(run.expand("{dir}/{run}/events.jsonl"))
    parquet = ParquetSink(run.expand("{dir}/{run}/parquet"), run=run)
    journal.write(events)
    journal.close()
    parquet.write(events[: len(before)])
    parquet.flush()
    RunState(run="r", attempt=0, started="2026-01-01T00:00:00Z").save(run)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(LOGGED, LOGGED), min_size=2, max_size=4))
def test_any_events_of_several_ranks(ranks: list[tuple[Any, Any]]) -> None:
    """Whatever each rank logs before and after its last part, each event is read once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rank, (before, after) in enumerate(ranks):
            write_rank(folder, rank, before, after)
        logged = journaled(folder / "r", "probe")
        table = logflume.open_run(folder / "r").events("probe")
        rows = {(row["rank"], row["seq"]): row for row in table.to_pylist()}
        assert len(logged) == len(rows) == len(table)
        for event in logged:
            row = rows[event["rank"], event["seq"]]
            for field in {"a", "b", "c/d"} & event.keys():
                value = row.get(field)
                if type(value) is type(event[field]):
                    assert repr(event[field]) == repr(value)
                else:  # of another kind for another rank, so a text; an empty list has no kind
                    assert isinstance(value, str) or event[field] in ([], None)


def test_a_field_of_different_kinds_in_two_journals(tmp_path: Path) -> None:
    """A number of rank 0 and a text of rank 1 are texts, although neither has a part yet."""
    write_rank(tmp_path, 0, [], [{"x": 1.5}])
    write_rank(tmp_path, 1, [], [{"x": "high"}])
    probe = logflume.open_run(tmp_path / "r").events("probe")
    assert ["1.5", "high"] == probe["x"].to_pylist()
    assert [None, None] == probe["extras"].to_pylist()


def rotate(folder: Path, text: str) -> None:
    """Rotate the journal as its sink does, and start a new one."""
    number = 1 + len(list(folder.glob("events.*.jsonl")))
    (folder / "events.jsonl").rename(folder / f"events.{number:06d}.jsonl")
    (folder / "events.jsonl").write_text(text)


def read_all(writer: Writer) -> bytes:
    """Return the content of a journal."""
    with ExitStack() as stack:
        return b"".join(line.raw for line in read_lines(open_journal(writer, stack)))


def test_a_rotation_after_the_listing(tmp_path: Path) -> None:
    """What the listing doesn't show is read all the same: files renamed, added or not seen."""
    (tmp_path / "events.jsonl").write_text("1\n")
    (writer,) = find_writers(tmp_path)
    assert b"1\n" == read_all(writer)
    rotate(tmp_path, "2\n")
    assert b"1\n2\n" == read_all(writer)
    (writer,) = find_writers(tmp_path)
    rotate(tmp_path, "3\n")
    assert b"1\n2\n3\n" == read_all(writer)
    active = (tmp_path / "events.jsonl").stat().st_ino
    missed = Writer(tmp_path, "", {"events.jsonl": active})  # renamed while it was listed
    assert b"1\n2\n3\n" == read_all(missed)
    (tmp_path / "events.000001.jsonl").unlink()
    (writer,) = find_writers(tmp_path)
    assert b"2\n3\n" == read_all(writer)


def test_the_last_values_of_a_run(tmp_path: Path) -> None:
    """The list of runs has the last step, reward and duration from the end of the journal."""
    folder = write_run(tmp_path, range(1, 6), range(4, 9), scale=2.0)
    values, _ = read_ends(find_writers(folder))
    assert values is not None
    (ended,) = [e for e in journaled(folder, "run_finished") if e["attempt"] == 1]
    assert (8, 24.0, ended["duration_s"]) == values
    rotate(folder, "")
    assert read_ends(find_writers(folder))[0] is None  # a query answers instead


def log_ranks(folder: Path, rank: int, busy_s: dict[int, float]) -> None:
    """Log the `rank` events of a rank: how long it was busy in each step."""
    with rank_of_a_job(rank):
        start(folder)
        for step, seconds in busy_s.items():
            fields = {"generate_s": seconds - 0.25, "rewards_s": 0.25, "step_s": 9.0}
            logflume.get_logger("system").info(
                "rank", step=step, host=f"node{rank // 2}", local_rank=rank % 2, **fields
            )
        logflume.shutdown()


def test_who_is_slow(tmp_path: Path) -> None:
    """Of each step, the rank that was busy longest, and the spread over all ranks."""
    busy_s = {0: {1: 2.0, 2: 2.0}, 1: {1: 3.0, 2: 1.0}, 2: {1: 7.0, 2: 4.0}, 3: {1: 1.0}}
    for rank, seconds in busy_s.items():
        log_ranks(tmp_path, rank, seconds)
    run = logflume.open_run(tmp_path / "r")
    for row in run.ranks().to_pylist():
        found = {rank: steps[row["step"]] for rank, steps in busy_s.items() if row["step"] in steps}
        assert (len(found), 2, "node1", 0) == (
            row["ranks"],
            row["slowest"],
            row["slowest_host"],
            row["slowest_local_rank"],
        )
        spread = [min(found.values()), statistics.median(found.values()), max(found.values())]
        assert spread == [row[f"busy_s/{fold}"] for fold in ("min", "median", "max")]
        assert 9.0 == row["step_s/median"]
        assert row["wait_s/max"] is None
    assert [1, 2] == run.ranks()["step"].to_pylist()
    assert [2] == run.ranks(steps=2)["step"].to_pylist()


def test_a_run_without_reports_of_ranks(tmp_path: Path) -> None:
    """A run of an earlier version has no rows, and no error."""
    assert [] == logflume.open_run(write_run(tmp_path, range(1, 3))).ranks().to_pylist()


SINKS = {
    "jsonl": {"path": "{dir}/{run}/events.jsonl"},
    "log": {"type": "console", "path": "{dir}/{run}/training.log", "ranks": "node"},
    "csv": {"path": "{dir}/{run}/all.csv", "ranks": "node"},
    "parquet": {"path": "{dir}/{run}/parquet"},
    "tensorboard": {"path": "{dir}/{run}/tensorboard", "ranks": "first"},
}


def test_each_rank_writes_what_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text log and a CSV for each machine, and TensorBoard for the job; doctor misses nothing."""
    for rank, local_rank in ((0, 0), (1, 1), (8, 0)):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(local_rank))
        config = {"root": {"sinks": list(SINKS)}, "sinks": SINKS}
        run = logflume.initialize(config, dir=tmp_path, run="r")
        logflume.get_logger().info("probe", x=1.0)
        logflume.shutdown()
    names = set(os.listdir(run.folder))  # noqa: PTH208
    assert {"training.log", "all.csv", "tensorboard", "parquet"} <= names
    assert {"training-rank8.log", "all-rank8.csv", "parquet-rank8", "parquet-rank1"} <= names
    assert names.isdisjoint({"training-rank1.log", "all-rank1.csv", "tensorboard-rank8"})
    assert [] == diagnose(run.folder)
    with (run.folder / "events-rank8.jsonl").open("ab") as journal:
        journal.write(b'{"torn":')
    issues = diagnose(run.folder, processes=2)
    assert [("events-rank8.jsonl", "torn last line")] == [(i.file, i.what) for i in issues]
