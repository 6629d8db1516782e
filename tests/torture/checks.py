"""Checks of a run's files after a kill, and after the run was continued."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from logflume.guard import Failure, call_guarded, describe
from tests.torture.busy_run import FLUSH_INTERVAL_S
from tests.torture.progress_file import HEARTBEAT_S, Progress
from tests.torture.scenario_result import ScenarioResult
from tests.torture.sink_file_readers import (
    READERS,
    Row,
    count_journal_rows,
    find_torn_files,
    read_latest_steps,
)

__all__ = ["SinkRows", "check_complete", "check_lost_events", "check_retained", "read_sink_files"]

MAX_WRITE_S = 0.25
"""The longest time for a batch of 512 events to pass the sinks on the worker's thread, and for the
next batch to reach the journal: about 30 ms on an idle machine."""

SinkRows = dict[str, list[Row]]
"""The numbered events by sink. A sink whose files can't be read is missing."""


def read_sink_files(
    folder: Path, result: ScenarioResult, when: str, *, may_have_copies: bool = False
) -> SinkRows:
    """Read every sink's files; check that no event is in one twice or is not in the journal.

    Args:
        folder: The run's folder.
        result: Where counts and violations go.
        when: At which time, for messages.
        may_have_copies: Whether events may be in a file twice until the run is continued.
    """
    rows_by_sink: SinkRows = {}
    for name, reader in READERS.items():
        rows = call_guarded(reader, folder)
        if isinstance(rows, Failure):
            result.require(False, f"{folder}: can't read {name} {when}: {describe(rows.error)}")
            continue
        rows_by_sink[name] = rows
        result.checked += len(rows)
        duplicates = [row for row, count in Counter(rows).items() if count > 1]
        if not may_have_copies:
            result.expect([], duplicates[:5], f"{folder}: {name} has duplicate events {when}")
    journal = set(rows_by_sink.get("journal", ()))
    for name in ("parquet", "csv"):
        surplus = sorted(set(rows_by_sink.get(name, ())) - journal)
        result.expect([], surplus[:5], f"{folder}: {name} has events not in the journal {when}")
    return rows_by_sink


def check_retained(before: SinkRows, now: SinkRows, result: ScenarioResult, folder: Path) -> None:
    """Check that each sink still has the events that it had before."""
    for name, rows in before.items():
        gone = sorted(set(rows) - set(now.get(name, ())))
        result.lost += len(gone)
        result.expect([], gone[:5], f"{folder}: {name} has lost events that it had")


def check_lost_events(
    progress: Progress,
    killed_at_s: float,
    rows_by_sink: SinkRows,
    result: ScenarioResult,
    folder: Path,
) -> None:
    """Check that the journal lacks only an attempt's last events, and has none that it didn't log.

    The events that may be lost are those of the last `flush_interval_s`, of one write, and of the
    time by which the operating system delayed the process, as its heartbeat measured it.
    """
    numbers = [
        row.number for row in rows_by_sink.get("journal", ()) if row.attempt == progress.attempt
    ]
    order = list(range(len(numbers)))
    result.expect(order, numbers, f"{folder}: order of attempt {progress.attempt}")
    # An event whose log call was interrupted by the kill may be written, but not noted.
    result.require(
        len(numbers) <= len(progress.times_s) + 1, f"{folder}: more events than were logged"
    )
    delay_s = max(progress.max_delay_s, killed_at_s - progress.heartbeat_s - HEARTBEAT_S)
    max_age_s = FLUSH_INTERVAL_S + MAX_WRITE_S + max(0.0, delay_s)
    guaranteed = sum(time_s < killed_at_s - max_age_s for time_s in progress.times_s)
    lost = max(0, guaranteed - len(numbers))
    result.lost += lost
    result.expect(0, lost, f"{folder}: lost events older than {max_age_s * 1e3:.0f} ms")
    if len(numbers) < len(progress.times_s):
        age_ms = (killed_at_s - progress.times_s[len(numbers)]) * 1e3
        result.oldest_lost_ms = max(result.oldest_lost_ms, age_ms)
    result.longest_call_ms = max(result.longest_call_ms, progress.longest_call_s * 1e3)


def check_complete(
    progress: Progress, rows_by_sink: SinkRows, folder: Path, result: ScenarioResult
) -> None:
    """Check a run whose latest attempt ended normally: every sink is complete, no file is torn."""
    logged = list(range(len(progress.times_s)))
    for name in ("journal", "parquet", "csv"):
        numbers = sorted(
            row.number for row in rows_by_sink.get(name, ()) if row.attempt == progress.attempt
        )
        result.lost += len(set(logged) - set(numbers))
        result.expect(logged, numbers, f"{folder}: events in {name} of a completed attempt")
    steps = call_guarded(read_latest_steps, folder)
    result.expect(logged, steps, f"{folder}: steps that TensorBoard shows")
    result.expect([], list(find_torn_files(folder)), f"{folder}: torn files")
    stale = [p.name for p in folder.iterdir() if p.name.endswith(".tmp")]
    result.expect([], stale, f"{folder}: stale files")
    counts = call_guarded(count_journal_rows, folder)
    if isinstance(counts, Failure):
        result.require(False, f"{folder}: can't read the journal: {describe(counts.error)}")
    else:
        result.expect(1, len(set(counts.values())), f"{folder}: rows of the journal in {counts}")
