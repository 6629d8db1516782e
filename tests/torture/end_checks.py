"""Checks of what a program of several parts left in the journals, against what it logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from logflume import open_run
from logflume.guard import Failure, call_guarded, describe
from logflume.query.open_run import Run
from tests.torture.busy_run import TYPES
from tests.torture.ending_run import OWN_EVENTS, Ended, read_journals
from tests.torture.scenario_result import ScenarioResult
from tests.torture.sink_file_readers import READERS, Row

__all__ = ["check_parts", "read_numbers"]

MAY_KILL = ("worker killed", "memory")
"""What faults that end the worker process have in their names."""


def check_parts(result: ScenarioResult, folder: Path, parts: Sequence[Ended]) -> None:
    """Check that every number is in its run once, or counted as dropped by the part that logged it.

    Args:
        result: Where counts and violations go.
        folder: Where the runs are.
        parts: What the program noted.
    """
    found: dict[str, Counter[int]] = {}
    for run in sorted({part.part.run for part in parts}):
        rows = call_guarded(read_numbers, folder / run, result)
        if isinstance(rows, Failure):
            result.require(False, f"{folder / run}: can't be read: {describe(rows.error)}")
            rows = []
        found[run] = Counter(row.number for row in rows)
        result.checked += len(rows)
        _check_identities(result, folder / run, rows)
        last = [part for part in parts if part.part.run == run][-1]
        if last.done and last.attempt > 0:
            _check_sinks(result, folder / run, last.part.sinks, found[run])
    is_late_kill = False
    for ended in parts:
        result.ends += 1
        is_kill = any(text in ended.part.fault for text in MAY_KILL)
        _check_part(result, folder, ended, found, has_takeover=is_kill or is_late_kill)
        # A fault that nobody waits for may come when the next part has begun.
        is_late_kill = is_kill and not ended.part.is_awaited


def _check_sinks(
    result: ScenarioResult, run: Path, sinks: Sequence[str], numbers: Counter[int]
) -> None:
    """Check that the sinks of a run's last part have got from the journal whatever they lacked."""
    for name in sinks:
        rows = call_guarded(READERS[name], run)
        if isinstance(rows, Failure):
            result.require(False, f"{run}: can't read {name}: {describe(rows.error)}")
            continue
        present = Counter(row.number for row in rows)
        result.checked += len(rows)
        result.expect([], sorted(set(numbers) - set(present))[:5], f"{run}: {name} lacks")
        copies = [number for number, count in present.items() if count > max(1, numbers[number])]
        result.expect([], sorted(copies)[:5], f"{run}: {name} has more than once")


def read_numbers(folder: Path, result: ScenarioResult) -> list[Row]:
    """Return the numbered events of a run's journal; check that each reader finds the same ones.

    The steps of a program of several parts are unique, so the view of the latest attempts shows
    every event, too.
    """
    events = read_journals(folder)
    runs = {e["run"] for e in events}
    result.require(runs <= {folder.name}, f"{folder}: has events of {runs}")
    rows = [_row(e) for e in events if e["event"] in TYPES]
    numbers = sorted(row.number for row in rows)
    for attempts in ("all", "current"):
        run = open_run(folder, attempts=attempts)
        view = sorted(int(e["number"]) for e in run if e["event"] in TYPES)
        result.expect(numbers, view, f"{folder}: open_run(), {attempts} attempts")
        result.expect(numbers, _query(run, "events"), f"{folder}: events(), {attempts} attempts")
        result.expect(numbers, _query(run, "sql"), f"{folder}: sql(), {attempts} attempts")
    return rows


def _query(run: Run, method: str) -> list[int]:
    known = [name for name in TYPES if name in run.types()]
    if method == "sql":
        tables = [run.sql(f"select number from {name}") for name in known]
    else:
        tables = [run.events(name, columns=["number"]) for name in known]
    return sorted(int(row["number"]) for table in tables for row in table.to_pylist())


def _row(event: dict[str, int]) -> Row:
    return Row(event["attempt"], event["seq"], int(event["number"]))


def _check_identities(result: ScenarioResult, run: Path, rows: Sequence[Row]) -> None:
    identities = Counter((row.attempt, row.seq) for row in rows)
    copies = [key for key, count in identities.items() if count > 1]
    result.expect([], copies[:5], f"{run}: (attempt, seq) more than once")
    numbers = Counter(row.number for row in rows)
    twice = sorted(number for number, count in numbers.items() if count > 1)
    result.twice += len(twice)
    result.expect([], twice[:5], f"{run}: {len(twice)} numbers more than once")


def _check_part(
    result: ScenarioResult,
    folder: Path,
    ended: Ended,
    found: dict[str, Counter[int]],
    *,
    has_takeover: bool,
) -> None:
    part = ended.part
    where = (
        f"{folder / part.run}, numbers {ended.first} to {ended.end - 1}, attempt {ended.attempt}, "
        f"worker: {part.worker}, {part.fault} at the {part.moment} after {part.delay_s:.3f} s"
    )
    numbers = set(range(ended.first, ended.end))
    for run, present in found.items():
        strays = numbers & set(present) if run != part.run else set()
        result.elsewhere += len(strays)
        result.expect([], sorted(strays)[:5], f"{where}: {len(strays)} in run {run}")
    missing = len(numbers - set(found[part.run]) - set(ended.uncertain))
    sinks = ended.report["sinks"]
    dropped = ended.report["dropped"] + sinks.get("jsonl", {}).get("dropped", 0)
    result.uncounted += max(0, missing - dropped)
    what = f"{where}: {missing} not in the journal, {dropped} counted as dropped"
    result.require(missing <= dropped, what)
    if ended.is_at_rest:
        # What was under way when a thread was given up may be written later.
        result.require(dropped <= missing + OWN_EVENTS + len(ended.uncertain), what)
        _check_counts(result, ended, where, has_takeover=has_takeover)
    if missing:
        result.require(ended.status != "finished", f"{where}: finished, though {missing} missing")
        result.require(not ended.done, f"{where}: shutdown() returned True, {missing} missing")
    elif ended.done:
        result.expect("finished", ended.status, f"{where}: status")
    result.require(not ended.is_locked, f"{where}: the run is still locked")


def _check_counts(result: ScenarioResult, ended: Ended, where: str, *, has_takeover: bool) -> None:
    """Check that accepted = written + dropped for each sink, and that its files have `written`.

    After a take-over they have more: what the worker process wrote may be counted as filled in.
    """
    for name, counts in ended.report["sinks"].items():
        total = counts["written"] + counts["dropped"]
        result.expect(counts["accepted"], total, f"{where}: {name}: accepted = written + dropped")
        written = counts["written"] - counts.get("filled_in", 0)
        what = f"{where}: {name}: {counts}, rows: {ended.rows}"
        result.require(written <= ended.rows[name], what)
        if not has_takeover:
            result.require(written == ended.rows[name], what)
        if ended.done:
            result.require(ended.rows[name] + counts["dropped"] >= ended.rows["jsonl"], what)
