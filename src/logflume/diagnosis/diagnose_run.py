"""Diagnoses a recorded run, with the detectors that watch a live one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logflume.diagnosis.detectors import SIGNALS
from logflume.diagnosis.finding import SEVERITIES, Evidence, Finding
from logflume.diagnosis.history import History
from logflume.diagnosis.options import read_options
from logflume.diagnosis.resume import RESUME_BLOCKS, find_change
from logflume.diagnosis.slow_rank import SlowRank
from logflume.diagnosis.watch import EVENT_TYPES, Diagnosis
from logflume.exceptions import RunError
from logflume.formats.journal import open_files, parse_line, read_lines
from logflume.formats.journal_lines import event_type_filter
from logflume.query.open_run import Run
from logflume.runs.files import Writer, find_writers

__all__ = ["RecordedFinding", "RunDiagnosis", "diagnose_run", "open_findings"]

_OURS = SIGNALS | {SlowRank.signal}
"""All signals that are raised here. An alert with another signal was logged by the user."""


@dataclass(frozen=True)
class RecordedFinding:
    """A finding in a recorded run.

    Attributes:
        finding: The finding.
        attempt: The attempt.
        rank: The rank; None if the finding is over ranks.
        process: The tag of a forked child, such as `pid77`; None for others.
        over_since: The last step at which the problem was seen, if it is over; else None.
    """

    finding: Finding
    attempt: int
    rank: int | None
    process: str | None = None
    over_since: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The finding as JSON: the fields of an alert, and where it is from."""
        return {
            "step": self.finding.step,
            "attempt": self.attempt,
            "rank": self.rank,
            **({"process": self.process} if self.process else {}),
            "is_over_ranks": self.rank is None,
            **self.finding.fields,
            **({} if self.over_since is None else {"over_since": self.over_since}),
        }


@dataclass(frozen=True)
class RunDiagnosis:
    """The diagnosis of a recorded run.

    Attributes:
        findings: By attempt, then in the order in which they were found.
        reports: Number of reports with metrics that were read.
        notes: Lines about what could not be read or used.
    """

    findings: list[RecordedFinding]
    reports: int
    notes: list[str]


def diagnose_run(folder: str | os.PathLike[str]) -> RunDiagnosis:
    """Diagnose a run, from its journals.

    For each writer of rank 0 and each of its attempts, new detectors get the events in the order of
    the journal, with the options on record, as they did while the run was live. `generation` events
    of all ranks are compared with each other. Alerts that the user logged with their own signals
    are findings, too.

    Args:
        folder: The run's folder.

    Raises:
        RunError: A journal can't be read.
    """
    notes: dict[str, None] = {}
    findings: list[RecordedFinding] = []
    reports = 0
    slow_rank = SlowRank()
    writers = find_writers(Path(folder))
    has_ranks = len({writer.rank for writer in writers}) > 1
    for writer in writers:
        watcher = _Watcher(writer, lambda line: notes.update({line: None}))
        types = {"alert", *(EVENT_TYPES if writer.rank == 0 else ("generation",))}
        for event in _read_events(writer, types, notes):
            if has_ranks and event["event"] == "generation":
                slow_rank.add(writer.rank, event["attempt"], event)
            if event["event"] == "alert":
                watcher.note_alert(event)
            elif writer.rank == 0:
                watcher.observe(event)
        findings += watcher.findings
        reports += watcher.reports
    findings += [RecordedFinding(found, attempt, None) for attempt, found in slow_rank.findings()]
    if not reports:
        notes[f"{folder}: the journal has no reports with metrics that can be judged"] = None
    return RunDiagnosis(sorted(findings, key=lambda f: f.attempt), reports, list(notes))


def open_findings(run: Run) -> list[dict[str, Any]]:
    """Return the recorded alerts of a run, one of each signal, the most severe first.

    They come from the latest attempt of each step. Of several alerts of one signal, the last one
    counts; a signal whose last alert says that the problem is over is left out. This is faster than
    `diagnose_run`, because nothing is judged again.

    Args:
        run: The run.

    Returns:
        `step`, `signal`, `severity` and `message` of each.
    """
    names = ["step", "signal", "severity", "message", "over_since"]
    table = run.events("alert")
    rows = table.select([name for name in names if name in table.column_names]).to_pylist()
    latest = {row.get("signal"): {**dict.fromkeys(names), **row} for row in rows}
    still = [row for row in latest.values() if row.pop("over_since") is None]
    return sorted(still, key=lambda row: -_rank_of(row["severity"]))


def _rank_of(severity: Any) -> int:
    # Alerts of earlier versions have no severity; they were warnings.
    return SEVERITIES.index(severity) if severity in SEVERITIES else SEVERITIES.index("warning")


class _Watcher:
    """Feeds the events of one writer to a diagnosis, a new one for each attempt."""

    def __init__(self, writer: Writer, note: Callable[[str], None]) -> None:
        self.reports = 0
        self.findings: list[RecordedFinding] = []
        self._writer = writer
        self._note = note
        self._attempt: int | None = None
        self._before: History | None = None
        self._diagnosis = Diagnosis(on_failure=note)

    def observe(self, event: dict[str, Any]) -> None:
        """Add an event, and what it reveals."""
        has_config = event["event"] == "run_started" and event.get("config") is not None
        if event["attempt"] != self._attempt or has_config:
            options = read_options(event.get("config"), self._note)
            if event["attempt"] != self._attempt:
                self._before = self._diagnosis.history
            self._attempt = event["attempt"]
            self._diagnosis = Diagnosis(options, self._note)
        before = self._diagnosis.reports
        found = self._diagnosis.observe(event) + self._changed_at_resume()
        self.reports += max(0, self._diagnosis.reports - before)
        writer = self._writer
        for finding in found:
            if finding.over_since is None:
                where = event["attempt"], writer.rank, writer.process
                self.findings.append(RecordedFinding(finding, *where))
            else:
                self._close(finding, event["attempt"])

    def note_alert(self, alert: dict[str, Any]) -> None:
        """Add an alert, unless it comes from a detector: detectors judge the events again.

        Of several alerts of one signal, the first one counts, until one says that the problem is
        over.
        """
        finding = _read_alert(alert)
        if finding is None or finding.signal in _OURS:
            return
        if finding.over_since is not None:
            self._close(finding, alert["attempt"])
        elif not any(
            found.finding.signal == finding.signal
            and found.attempt == alert["attempt"]
            and found.over_since is None
            for found in self.findings
        ):
            where = alert["attempt"], self._writer.rank, self._writer.process
            self.findings.append(RecordedFinding(finding, *where))

    def _changed_at_resume(self) -> list[Finding]:
        """Compare the attempt with the one before, once its first blocks are complete."""
        history = self._diagnosis.history
        if self._before is None or len(history["reward"].blocks) < RESUME_BLOCKS:
            return []
        before, self._before = self._before, None
        found = find_change(before, history)
        return [] if found is None else [found]

    def _close(self, over: Finding, attempt: int) -> None:
        """Mark the latest finding of this signal as over."""
        for index in reversed(range(len(self.findings))):
            found = self.findings[index]
            if found.finding.signal == over.signal and found.attempt == attempt:
                self.findings[index] = replace(found, over_since=over.over_since)
                return


def _read_alert(alert: dict[str, Any]) -> Finding | None:
    """Return the finding in an alert that a user logged; None if it has no signal."""

    def text(name: str) -> str | None:
        value = alert.get(name)
        return value if isinstance(value, str) else None

    def number(name: str) -> Any:
        return value if type(value := alert.get(name)) in (int, float) else None

    if (signal := text("signal")) is None:
        return None
    completions = alert.get("completions")
    ids = completions if isinstance(completions, list) else []
    return Finding(
        signal=signal,
        severity=next((one for one in SEVERITIES if one == alert.get("severity")), "warning"),
        step=alert["step"],
        evidence=Evidence(
            text("message") or "An alert without a message.",
            text("metric"),
            number("value"),
            number("before"),
            number("threshold"),
        ),
        cause=text("cause") or "",
        try_next=text("try_next") or "",
        completions=tuple(one for one in ids if isinstance(one, str)),
        condition=text("condition"),
        over_since=number("over_since"),
    )


def _read_events(
    writer: Writer, types: Collection[str], notes: dict[str, None]
) -> Iterator[dict[str, Any]]:
    """Yield the events of these types in a writer's journal, in order; note damaged lines."""
    filters = [event_type_filter(event_type) for event_type in sorted(types)]
    first, count = None, 0
    with ExitStack() as stack:
        for line in read_lines(open_files(writer.journals, stack)):
            if line.is_complete and any(may_match(line.raw) for may_match in filters):
                try:
                    event = parse_line(line)
                except RunError as error:
                    first, count = first or error, count + 1
                    continue
                if event["event"] in types:
                    yield event
    if first is not None:
        what = "This line is" if count == 1 else f"It and {count - 1:,} more are"
        notes[f"{first}. {what} not judged"] = None
