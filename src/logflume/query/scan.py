"""Events of one type from all writers of one or more runs, as one Arrow table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from logflume.query.columns import PATTERN, check, join_schemas, match
from logflume.query.row_filter import RowFilter, Steps
from logflume.query.run_snapshot import Snapshot
from logflume.query.sources import Source, find_sources, read_sources
from logflume.runs.latest_attempts import ATTEMPT_EVENTS, LatestAttempts
from logflume.values.arrow import Columns, widen

__all__ = ["RunFiles", "Steps", "consistently", "count_events", "find_types", "read_events"]

Result = TypeVar("Result")

_ORDER = ["attempt", "seq"]
_PLACE = ["step", "mode", "attempt"]
_TRIES = 20


class RunFiles(NamedTuple):
    """What the writers of one run have written.

    Attributes:
        snapshots: One a writer.
        is_current: Whether only the latest attempt of each step is wanted, and there are several.
    """

    snapshots: list[Snapshot]
    is_current: bool

    @property
    def id(self) -> str | None:
        """The id of the run; None where nothing tells."""
        return next((one.run for one in self.snapshots if one.run is not None), None)


def consistently(read: Callable[[], Result]) -> Result:
    """Call a function that reads runs, again when files were replaced while it did.

    Raises:
        FileNotFoundError: They were, time after time.
    """
    for _ in range(_TRIES):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()


def read_events(
    runs: Sequence[RunFiles],
    event_type: str,
    *,
    columns: Sequence[str] | None = None,
    steps: Steps = None,
    seqs: Mapping[str, Collection[int]] | None = None,
    shrink: Callable[[pa.Table], pa.Table] | None = None,
) -> pa.Table:
    """Return the events of a type, run by run.

    Those of one run are in the order in which each writer logged them.

    Args:
        runs: The runs.
        event_type: The type.
        columns: Names and patterns; None: all. Nothing else is read.
        steps: The steps.
        seqs: By run the `seq` of the events that are asked for; None: all. Events of another rank
            or attempt that have the same `seq` come along.
        shrink: Makes each piece of the answer smaller before they are put together, where it may
            be: in the end it has to be called again with the whole.

    Raises:
        QueryError: There is no such column.
        RunError: A journal is damaged.
    """
    runs = [run for run in runs if seqs is None or run.id is None or run.id in seqs]
    sources = find_sources([snapshot for run in runs for snapshot in run.snapshots], event_type)
    of_steps = RowFilter.of_steps(steps)
    columns = [columns] if isinstance(columns, str) else columns

    def wish(source: Source) -> RowFilter:
        return of_steps if seqs is None else of_steps._replace(seqs=seqs.get(source.run or ""))

    is_current = any(run.is_current for run in runs)
    place = _PLACE if is_current else []

    def needed(there: Sequence[str]) -> list[str]:
        return list(dict.fromkeys([*match(columns, there), *_ORDER, *place]))

    found = read_sources(sources, needed, wish, None if is_current else shrink)
    schema = join_schemas(one.schema for one in found)
    if not schema.names:
        schema = _schema_of_none(event_type, columns or ())
    chosen = check(columns, schema.names, event_type)
    answer = [pa.schema([schema.field(name) for name in chosen]).empty_table()]
    remaining = zip(sources, (_in_order(one.events) for one in found), strict=True)
    for run in runs:
        of_run = list(islice(remaining, len(run.snapshots)))
        if run.is_current and event_type not in ATTEMPT_EVENTS:
            answer += _latest([source for source, _ in of_run], [e for _, e in of_run], of_steps)
        else:
            answer += [events for _, events in of_run]
    return pa.concat_tables([widen(events, answer[0].schema) for events in answer])


def count_events(runs: Sequence[RunFiles]) -> dict[str, int]:
    """Return how many events of each type there are."""
    counts: Counter[str] = Counter()
    for run in runs:
        of_run = sum((snapshot.count() for snapshot in run.snapshots), Counter())
        if run.is_current:
            of_run = Counter({t: len(read_events([run], t, columns=["seq"])) for t in of_run})
        counts += of_run
    return dict(counts)


def find_types(runs: Sequence[RunFiles]) -> set[str]:
    """Return the types of events that there are."""
    return {name for run in runs for snapshot in run.snapshots for name in snapshot.types()}


def _schema_of_none(event_type: str, columns: Sequence[str]) -> pa.Schema:
    """Return the schema where there is no event: what is declared, and what was asked for."""
    declared = Columns(event_type).schema
    asked = [name for name in columns if not set(name) & PATTERN and name not in declared.names]
    return pa.schema([*declared, *(pa.field(name, pa.null()) for name in asked)])


def _latest(
    sources: Sequence[Source], events: list[pa.Table], of_steps: RowFilter
) -> list[pa.Table]:
    """Return those events of a run's writers that are of the latest attempts.

    Which ones these are is told by all events of the steps, not only by those that are wanted.
    """
    found = read_sources(sources, lambda _there: _PLACE, lambda _source: of_steps)
    keys = [one.events for one in found if len(one.events)]
    latest = LatestAttempts(pa.concat_tables(keys)) if keys else None
    return [one if latest is None or not len(one) else latest.filter(one) for one in events]


def _in_order(events: pa.Table) -> pa.Table:
    """Return the events in the order in which they were logged; most are so already."""
    if not len(events) or _is_sorted(events["attempt"], events["seq"]):
        return events
    return events.sort_by([(name, "ascending") for name in _ORDER])


def _is_sorted(attempts: Any, seqs: Any) -> bool:
    a, s = attempts.to_numpy(), seqs.to_numpy()
    return bool(((a[1:] > a[:-1]) | ((a[1:] == a[:-1]) & (s[1:] >= s[:-1]))).all())
