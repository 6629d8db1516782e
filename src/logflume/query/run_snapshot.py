"""Reads the events of one writer at one moment, from Parquet parts and from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import chain, pairwise
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from logflume.exceptions import RunError
from logflume.formats.journal import (
    Line,
    find_event_type,
    open_journal,
    parse_line,
    read_lines,
    read_lines_from,
)
from logflume.formats.journal_lines import (
    PIPELINE,
    event_type_filter,
    find_position,
    find_step,
    find_type,
)
from logflume.formats.parquet import (
    Part,
    are_there,
    count_values,
    folder_name,
    has_parts,
    list_parts,
    list_tables,
    open_part,
    read_column,
)
from logflume.runs.files import Writer
from logflume.runs.state import RunState

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Snapshot", "count_unreadable_lines", "read_journal"]


Parts = Mapping[str, Sequence[Part]]


class _MissingEvents:
    """The events of a writer that are in its journal, but not in its Parquet parts.

    `seq` has no gaps, so if the parts have as many rows as their highest `seq` implies, they have
    every event up to it. Only if the counts differ are the `seq` columns read.

    Args:
        attempts: For the first attempt that may be incomplete, and each later one that has parts:
            the `seq`s of the events that its parts have, sorted.
    """

    def __init__(self, attempts: Mapping[int, _StoredSeqs]) -> None:
        self._stored = attempts

    def read_lines(self, writer: Writer) -> Iterator[Line]:
        """Yield the journal lines of these events, in order."""
        for attempt, following in pairwise([*self._stored, inf]):
            stored = self._stored[int(attempt)]
            first = int(attempt), stored.first_missing
            with ExitStack() as stack:
                files = open_journal(writer, stack)
                for position, line in read_lines_from(files, first):
                    if position[0] >= following:
                        break
                    if position[0] != attempt or position[1] not in stored:
                        yield line


class _StoredSeqs:
    """A set of `seq`s. A range takes no memory, because a file name may claim any number.

    Args:
        size: Without `seqs`, the set contains all `seq`s below this number.
        seqs: The `seq`s, sorted.

    Attributes:
        first_missing: The lowest `seq` that is not in the set.
    """

    def __init__(self, size: int, seqs: np.ndarray[Any, Any] | None = None) -> None:
        self._seqs = seqs
        self.first_missing = size
        if seqs is not None:
            gaps = (seqs != range(len(seqs))).nonzero()[0]
            self.first_missing = int(gaps[0]) if gaps.size else len(seqs)

    def __contains__(self, seq: int) -> bool:
        if self._seqs is None or seq < self.first_missing:
            return seq < self.first_missing
        index = int(self._seqs.searchsorted(seq))
        return index < len(self._seqs) and int(self._seqs[index]) == seq


def _find_missing_events(writer: Writer, complete: int, parts: Parts) -> _MissingEvents | None:
    """Return the events that the parts lack; None if the parts have duplicates, so can't be used.

    Args:
        writer: The writer.
        complete: The number of attempts, from the first, of which the parts have every event.
        parts: The parts, by the name of their folder.

    Raises:
        FileNotFoundError: A part was replaced in the meantime.
    """
    import numpy as np

    empty = np.empty(0, np.int64)
    # Only attempts with parts are visited: `run.json` may claim any number of them.
    found = {part.attempt for some in parts.values() for part in some}
    first = complete if any(attempt < complete for attempt in found) else 0
    stored: dict[int, _StoredSeqs] = {}
    for attempt in [first, *sorted(attempt for attempt in found if attempt > first)]:
        of_attempt = {
            name: [part for part in some if part.attempt == attempt] for name, some in parts.items()
        }
        size = 1 + max((p.last_seq for some in of_attempt.values() for p in some), default=-1)
        rows = _count_rows(writer, of_attempt)
        stored[attempt] = _StoredSeqs(size)
        if rows != size:
            seqs = np.unique(np.concatenate([*_read_seqs(writer, of_attempt), empty]))
            if len(seqs) != rows:
                return None
            stored[attempt] = _StoredSeqs(size, seqs)
    return _MissingEvents(stored)


def _count_rows(writer: Writer, parts: Parts) -> int:
    rows = 0
    for name, some in parts.items():
        for part in some:
            rows += part.rows if part.rows >= 0 else _read_rows(writer.parquet / name / part.name)
    return rows


def _read_rows(path: Path) -> int:
    with open_part(path) as file:
        return file.metadata.num_rows


def _read_seqs(writer: Writer, parts: Parts) -> Iterator[Any]:
    return (read_column(path, "seq").to_numpy() for path in _paths(writer, parts))


def _paths(writer: Writer, parts: Parts) -> Iterator[Path]:
    return (writer.parquet / name / part.name for name, some in parts.items() for part in some)


_KEPT_BYTES = 1 << 17
"""Size of the lines missing in Parquet up to which they are kept, to be read once for all types."""


class Snapshot:
    """The events of one writer, each once: from Parquet where it has them, else from the journal.

    Args:
        writer: The writer.
        name: The name of the run in query results; None: its id. Two runs may have the same id.
        is_salvaged: Whether to return what is left of damaged files: the lines of the journal that
            are events.

    Attributes:
        run: The name of the run; None if its id is unknown.
        rank: The rank of the writer; None if the names of its files don't have it.
        is_renamed: Whether `run` is a name other than the run's id.
        writer: As given.

    Raises:
        FileNotFoundError: A part was replaced in the meantime; a new snapshot may succeed.
    """

    def __init__(
        self, writer: Writer, name: str | None = None, *, is_salvaged: bool = False
    ) -> None:
        self.run = name or (None if writer.state is None else writer.state.run)
        self.rank = writer.rank if writer.has_known_rank else None
        self.is_renamed = name is not None
        self.writer = writer
        self._parts: dict[str, list[Part]] = {}
        self._paths: dict[str, list[Path]] = {}
        self._missing: _MissingEvents | None = None
        self._kept_lines: list[Line] | None = None
        self._kept_by_type: dict[bytes | None, list[Line]] = {}
        self._line_counts: Counter[str] | None = None
        self._is_complete = False
        self._is_salvaged = is_salvaged
        if writer.state is not None and not is_salvaged:
            self._is_complete = writer.is_complete and has_parts(writer.parquet)
            if self._is_complete:
                self._missing = _MissingEvents({})
            else:
                self._find_missing(writer.state)

    def _find_missing(self, state: RunState) -> None:
        """Find the events that Parquet lacks, although earlier attempts may have been complete."""
        folder = self.writer.parquet
        self._parts = {table: list_parts(folder / table) for table in list_tables(folder)}
        recorded = state.parts.get(folder.name, {})
        is_as_recorded = all(
            are_there(names, self._parts.get(table, ())) for table, names in recorded.items()
        )
        complete = state.complete.get(folder.name, 0) if is_as_recorded else 0
        self._missing = _find_missing_events(self.writer, complete, self._parts)
        self._paths = {}
        self._kept_lines = self._line_counts = None
        self._kept_by_type = {}

    def _check(self, table: str | None = None) -> None:
        """Detect whether parts of a complete run were removed, of one table or of any."""
        state = self.writer.state
        if not self._is_complete or state is None:
            return
        recorded = state.parts.get(self.writer.parquet.name, {})
        for name in recorded if table is None else {table} & recorded.keys():
            if not are_there(recorded[name], list_parts(self.writer.parquet / name)):
                self._is_complete = False
                self._find_missing(state)
                return

    def files(self, event_type: str) -> list[Path]:
        """Return the Parquet parts that may have events of a type, in order.

        A part whose name has no number of rows may also have events of other types.
        """
        table = folder_name(event_type)
        self._check(table)
        files = self._files(table)
        return files if table == event_type else [f for f in files if Part.of_name(f.name).rows < 0]

    def count(self) -> Counter[str]:
        """Return the number of events of each type."""
        self._check()
        counts = self._count_lines()
        for table in self._tables():
            for part in self._parts_of(table):
                if part.rows >= 0:
                    counts[table] += part.rows
                else:
                    counts += count_values(self.writer.parquet / table / part.name, "event")
        return counts

    def types(self) -> set[str]:
        """Return the types of the events."""
        self._check()
        return {*self._tables(), *self._count_lines()}

    def _count_lines(self) -> Counter[str]:
        if self._line_counts is None:
            lines = self._lines()
            if self._is_salvaged:
                self._line_counts = Counter(event["event"] for event in _parse_readable(lines))
            else:
                self._line_counts = Counter(map(find_event_type, lines))
        return Counter(self._line_counts)

    def last_steps(self) -> dict[int, int]:
        """Return the highest step of the events that each attempt wrote last.

        Reports of the pipeline don't count: they have the steps of the events that caused them.
        """
        import pyarrow.compute as pc

        self._check()
        highest: dict[int, int] = {}
        for line in self._lines():
            if find_type(line.raw) == PIPELINE:
                continue
            step, position = find_step(line.raw), find_position(line.raw)
            if step is not None and position is not None:
                highest[position[0]] = max(step, highest.get(position[0], step))
        newest = {
            (table, part.attempt): self.writer.parquet / table / part.name
            for table in self._tables()
            for part in self._parts_of(table)
            if part.attempt not in highest
        }
        for (_, attempt), path in newest.items():
            step = pc.max(read_column(path, "step")).as_py()
            if step is not None:
                highest[attempt] = max(step, highest.get(attempt, step))
        return highest

    def journal_events(self, event_type: str) -> Iterator[dict[str, Any]]:
        """Yield the events of a type that only the journal has."""
        self._check(folder_name(event_type))
        return self._in_journal(event_type)

    def _tables(self) -> list[str]:
        if self._is_complete:
            return list_tables(self.writer.parquet)
        return list(self._parts) if self._missing is not None else []

    def _files(self, table: str) -> list[Path]:
        if table not in self._paths or self._is_complete:
            folder = self.writer.parquet / table
            self._paths[table] = [folder / part.name for part in self._parts_of(table)]
        return self._paths[table]

    def _parts_of(self, table: str) -> Sequence[Part]:
        """Return the Parquet parts of a table: the same ones that `_missing` was computed from."""
        if self._missing is None:
            return []
        return (
            list_parts(self.writer.parquet / table)
            if self._is_complete
            else self._parts.get(table, ())
        )

    def _in_journal(self, event_type: str) -> Iterator[dict[str, Any]]:
        """Yield the events of a type that Parquet lacks."""
        lines = self._lines()
        if self._kept_lines is not None:
            other = self._kept_by_type.get(None, ())
            lines = [*self._kept_by_type.get(orjson.dumps(event_type), ()), *other]
        else:
            may_match = event_type_filter(event_type)
            lines = (line for line in lines if may_match(line.raw))
        events = _parse_readable(lines) if self._is_salvaged else map(parse_line, lines)
        return (event for event in events if event["event"] == event_type)

    def _lines(self) -> Iterable[Line]:
        """Return the lines that Parquet lacks."""
        if self._kept_lines is not None:
            return self._kept_lines
        if self._is_salvaged:
            lines = _read_readable(self.writer)
        elif self._missing is None:
            lines = _read_complete_lines(self.writer)
        else:
            lines = self._missing.read_lines(self.writer)
        kept, kept_bytes = [], 0
        for line in lines:
            kept.append(line)
            kept_bytes += len(line.raw)
            if kept_bytes > _KEPT_BYTES:
                return chain(kept, lines)
        self._kept_lines = kept
        for line in kept:
            self._kept_by_type.setdefault(find_type(line.raw), []).append(line)
        return kept


def _read_complete_lines(writer: Writer) -> Iterator[Line]:
    """Yield the lines of a writer's journal, except an incomplete last one."""
    with ExitStack() as stack:
        yield from (line for line in read_lines(open_journal(writer, stack)) if line.is_complete)


def _read_readable(writer: Writer) -> Iterator[Line]:
    """Yield the lines of a journal, as far as its files can be read."""
    with ExitStack() as stack, suppress(RunError):
        for file in open_journal(writer, stack):
            with suppress(RunError):
                yield from (line for line in read_lines([file]) if line.is_complete)


def _parse_readable(lines: Iterable[Line]) -> Iterator[dict[str, Any]]:
    """Yield the events of the lines that have one."""
    for line in lines:
        with suppress(RunError):
            yield parse_line(line)


def count_unreadable_lines(writer: Writer) -> int:
    """Return the number of lines of a writer's journal that are not events."""
    return sum(not list(_parse_readable([line])) for line in _read_readable(writer))


def read_journal(writer: Writer) -> Iterator[dict[str, Any]]:
    """Yield the events of a writer's journal.

    Raises:
        RunError: A line is not an event.
    """
    return map(parse_line, _read_complete_lines(writer))
