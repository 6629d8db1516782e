"""Reads the events of one type from all writers of one or more runs, as one Arrow table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa

from logflume.query.columns import PATTERN, check, join_schemas, match
from logflume.query.extremes import Extremes
from logflume.query.row_filter import RowFilter, Steps
from logflume.query.run_snapshot import Snapshot
from logflume.query.sources import Source, read_sources
from logflume.runs.latest_attempts import ATTEMPT_EVENTS, LatestAttempts
from logflume.values.arrow import Columns, concat_widened

__all__ = ["RunFiles", "Steps", "count_events", "find_types", "read_events", "retry_if_replaced"]

Result = TypeVar("Result")

_ORDER_COLUMNS = ["attempt", "seq"]
_STEP_COLUMNS = ["step", "mode", "attempt"]
_RETRIES = 20


class RunFiles:
    """The files of one run. A query that reads them several times converts a journal only once.

    Args:
        snapshots: One for each writer.
        latest_only: Whether to return only the latest attempt of each step. False if the run has
            only one attempt.

    Attributes:
        snapshots, latest_only: As given.
    """

    def __init__(self, snapshots: list[Snapshot], latest_only: bool) -> None:
        self.snapshots = snapshots
        self.latest_only = latest_only
        self._sources: dict[str, list[Source]] = {}

    def sources(self, event_type: str) -> list[Source]:
        """Return the sources of the events of a type, one for each writer."""
        if event_type not in self._sources:
            self._sources[event_type] = [
                Source(snapshot, event_type) for snapshot in self.snapshots
            ]
        return self._sources[event_type]

    @property
    def id(self) -> str | None:
        """The id of the run; None if unknown."""
        return next((one.run for one in self.snapshots if one.run is not None), None)


def retry_if_replaced(read: Callable[[], Result]) -> Result:
    """Call a function that reads runs, and retry if files were replaced in the meantime.

    Raises:
        FileNotFoundError: They were replaced on every try.
    """
    for _ in range(_RETRIES):
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
    seqs: Mapping[tuple[str, int], Sequence[int]] | None = None,
    min_seq: int = 0,
    prefilter: Callable[[pa.Table], pa.Table] | None = None,
    extremes: Extremes | None = None,
    kinds: Callable[[pa.Field[Any]], bool] | None = None,
) -> pa.Table:
    """Return the events of a type, run by run.

    Within a run, the events of each writer are in the order they were logged.

    Args:
        runs: The runs.
        event_type: The type.
        columns: Names and patterns of the columns to read; None: all.
        steps: The steps.
        seqs: The requested `seq` numbers, by run and rank, sorted; None: all. Events of other
            attempts or forked children with the same `seq` are returned, too.
        min_seq: The lowest `seq` number.
        prefilter: Reduces pieces of the result before they are concatenated, where possible. The
            caller must apply it again to the whole result.
        extremes: The events that `prefilter` selects, if it selects those with extreme values.
        kinds: Selects the columns of each writer by their types, before the columns of several
            writers are joined: a field may be text in one run and a number in another. Requested
            columns may then be missing. None: all columns; those whose types differ become text.

    Raises:
        QueryError: There is no such column.
        RunError: A journal is damaged.
    """
    if seqs is not None:
        of_runs = {run for run, _ in seqs}
        runs = [run for run in runs if run.id is None or run.id in of_runs]
    sources = [source for run in runs for source in run.sources(event_type)]
    step_filter = RowFilter.from_steps(steps)._replace(min_seq=min_seq)
    columns = [columns] if isinstance(columns, str) else columns

    def row_filter(source: Source) -> RowFilter:
        if seqs is None or source.run is None or source.rank is None:
            return step_filter
        return step_filter._replace(seqs=seqs.get((source.run, source.rank), ()))

    latest_only = any(run.latest_only for run in runs)
    step_columns = _STEP_COLUMNS if latest_only else []

    def required(available: pa.Schema) -> list[str]:
        names = [*match(columns, available.names), *_ORDER_COLUMNS, *step_columns]
        return [n for n in dict.fromkeys(names) if kinds is None or kinds(available.field(n))]

    reduced = (None, None) if latest_only else (prefilter, extremes)
    results = read_sources(sources, required, row_filter, *reduced)
    schemas = list({id(result.schema): result.schema for result in results}.values())
    if kinds is not None:
        schemas = [pa.schema([field for field in schema if kinds(field)]) for schema in schemas]
    schema = join_schemas(schemas)
    if not schema.names:
        schema = _empty_schema(event_type, (columns or ()) if kinds is None else ())
    if kinds is None:
        selected = check(columns, schema.names, event_type)
    else:
        selected = match(columns, schema.names)
    tables = [pa.schema([schema.field(name) for name in selected]).empty_table()]
    remaining = zip(sources, (_in_order(result.events) for result in results), strict=True)
    for run in runs:
        of_run = list(islice(remaining, len(run.snapshots)))
        if run.latest_only and event_type not in ATTEMPT_EVENTS:
            tables += _latest([source for source, _ in of_run], [e for _, e in of_run], step_filter)
        else:
            tables += [events for _, events in of_run]
    return concat_widened(tables, tables[0].schema)


def count_events(runs: Sequence[RunFiles]) -> dict[str, int]:
    """Return the number of events of each type."""
    counts: Counter[str] = Counter()
    for run in runs:
        of_run: Counter[str] = Counter()
        for snapshot in run.snapshots:
            of_run.update(snapshot.count())
        if run.latest_only:
            of_run = Counter({t: len(read_events([run], t, columns=["seq"])) for t in of_run})
        counts += of_run
    return dict(counts)


def find_types(runs: Sequence[RunFiles]) -> set[str]:
    """Return the event types of the runs."""
    return {name for run in runs for snapshot in run.snapshots for name in snapshot.types()}


def _empty_schema(event_type: str, columns: Sequence[str]) -> pa.Schema:
    """Return the schema for a type without events: the declared and the requested columns."""
    declared = Columns(event_type).schema
    requested = [name for name in columns if not set(name) & PATTERN and name not in declared.names]
    return pa.schema([*declared, *(pa.field(name, pa.null()) for name in requested)])


def _latest(
    sources: Sequence[Source], events: list[pa.Table], step_filter: RowFilter
) -> list[pa.Table]:
    """Return the events of the latest attempts, for each writer of a run.

    The latest attempts are determined from all events of these steps, not only from the requested
    ones.
    """
    results = read_sources(sources, lambda _schema: _STEP_COLUMNS, lambda _source: step_filter)
    keys = [result.events for result in results if len(result.events)]
    latest = LatestAttempts(pa.concat_tables(keys)) if keys else None
    return [one if latest is None or not len(one) else latest.filter(one) for one in events]


def _in_order(events: pa.Table) -> pa.Table:
    """Return the events in the order they were logged; most tables are sorted already."""
    if not len(events) or _is_sorted(events["attempt"], events["seq"]):
        return events
    return events.sort_by([(name, "ascending") for name in _ORDER_COLUMNS])


def _is_sorted(attempts: Any, seqs: Any) -> bool:
    a, s = attempts.to_numpy(), seqs.to_numpy()
    return bool(((a[1:] > a[:-1]) | ((a[1:] == a[:-1]) & (s[1:] >= s[:-1]))).all())
