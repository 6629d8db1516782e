"""Events of one type from all writers of one or more runs, as one Arrow table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from logflume.reading.columns import PATTERN, choose, join_schemas, to_schema
from logflume.reading.current import OF_THE_ATTEMPT, Latest
from logflume.reading.snapshot import Snapshot
from logflume.reading.source import Source, find_source, merge
from logflume.values.arrow_columns import Columns

__all__ = ["RunFiles", "Steps", "consistently", "count_events", "find_types", "read_events"]

Steps: TypeAlias = int | tuple[int | None, int | None] | None
"""One step, or the first and the last (None: no limit); None: all."""

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
    where: pc.Expression | None = None,
) -> pa.Table:
    """Return the events of a type, run by run.

    Those of one run are in the order in which each writer logged them.

    Args:
        runs: The runs.
        event_type: The type.
        columns: Names and patterns; None: all. Nothing else is read.
        steps: The steps.
        where: What else the rows have to be, told by reserved names.

    Raises:
        QueryError: There is no such column.
        RunError: A journal is damaged.
    """
    sources = [[find_source(snapshot, event_type) for snapshot in run.snapshots] for run in runs]
    schema = join_schemas(source.schema for of_run in sources for source in of_run)
    if not schema.names:
        schema = _schema_of_none(event_type, columns or ())
    chosen = choose(columns, schema.names, event_type)
    of_steps = _step_filter(steps) & (pc.field("event") == event_type)
    wanted = of_steps if where is None else of_steps & where
    tables = [pa.schema([schema.field(name) for name in chosen]).empty_table()]
    together: list[Source] = []
    for run, of_run in zip(runs, sources, strict=True):
        of_run = [source for source in of_run if source.schema.names]
        if not of_run:
            continue
        if run.is_current and event_type not in OF_THE_ATTEMPT:
            tables.append(_read_latest(of_run, chosen, of_steps, wanted))
        elif len(runs) > 1:
            together += of_run
        else:
            needed = list(dict.fromkeys([*chosen, *_ORDER]))
            tables += [_in_order(source.read(needed, wanted)) for source in of_run]
    tables += [source.read(chosen, wanted) for source in merge(together)]
    return pa.concat_tables([to_schema(table, tables[0].schema) for table in tables])


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


def _read_latest(
    sources: Sequence[Source], chosen: list[str], of_steps: pc.Expression, wanted: pc.Expression
) -> pa.Table:
    """Return the events of a run's latest attempts.

    Which ones these are is told by all events of the steps, not only by those that are wanted.
    """
    keys = pa.concat_tables([source.read(_PLACE, of_steps) for source in sources])
    needed = list(dict.fromkeys([*chosen, *_ORDER, *_PLACE]))
    schema = join_schemas(source.schema for source in sources)
    schema = pa.schema([schema.field(name) for name in needed if name in schema.names])
    tables = [_in_order(source.read(needed, wanted)) for source in sources]
    return Latest(keys).filter(pa.concat_tables([to_schema(table, schema) for table in tables]))


def _step_filter(steps: Steps) -> pc.Expression:
    if steps is None:
        return pc.scalar(True)
    first, last = (steps, steps) if isinstance(steps, int) else steps
    step = pc.field("step")
    wanted = pc.scalar(True)
    if first is not None:
        wanted = wanted & (step >= first)
    return wanted if last is None else wanted & (step <= last)


def _in_order(events: pa.Table) -> pa.Table:
    """Return the events in the order in which they were logged; most are so already."""
    if not len(events) or _is_sorted(events["attempt"], events["seq"]):
        return events
    return events.sort_by([(name, "ascending") for name in _ORDER])


def _is_sorted(attempts: Any, seqs: Any) -> bool:
    a, s = attempts.to_numpy(), seqs.to_numpy()
    return bool(((a[1:] > a[:-1]) | ((a[1:] == a[:-1]) & (s[1:] >= s[:-1]))).all())
