"""The folder of one event type: its parts share one schema and are readable at any time."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from logflume.formats.atomic import link_or_copy, replace_folder
from logflume.formats.parquet import (
    DamagedPartError,
    Part,
    is_part_name,
    part_name,
    read_positions,
    read_tables,
    write_file,
)
from logflume.formats.parquet_file import ParquetFile
from logflume.protocols import Position
from logflume.resources import is_shortage
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import make_folder
from logflume.values.arrow import find_stored_kind
from logflume.values.kinds import Kind

from .staging import StagingFolder

__all__ = ["PartFolder", "group_small", "warn"]


_MAX_BYTES = 128 * 2**20

_MAX_ROWS = 1_000_000


def group_small(
    parts: Sequence[Part], more_than: int, max_bytes: int = _MAX_BYTES
) -> list[list[Part]]:
    """Group the parts of a folder; each group is to be merged into one part.

    A part of at least half the maximum size is left alone, so that no event is copied again and
    again.

    Args:
        parts: All parts of a folder, sorted by name.
        more_than: Parts are only merged if more than this number are small.
        max_bytes: The maximum size; by default 128 MB.

    Returns:
        Groups of adjacent parts of one attempt, up to this size and a million events each; empty if
        there is nothing to merge.
    """
    if sum(_is_small(part, max_bytes) for part in parts) <= more_than:
        return []
    groups: list[list[Part]] = []
    for part in parts:
        if groups and _can_join(groups[-1], part, max_bytes):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups if len(groups) < len(parts) else []


def _is_small(part: Part, max_bytes: int) -> bool:
    return part.size_bytes < max_bytes // 2 and part.rows < _MAX_ROWS // 2


def _can_join(group: list[Part], part: Part, max_bytes: int) -> bool:
    merged = [*group, part]
    return (
        group[0].attempt == part.attempt
        and all(_is_small(one, max_bytes) for one in merged)
        and sum(one.size_bytes for one in merged) <= max_bytes
        and sum(one.rows for one in merged) <= _MAX_ROWS
    )


class PartFolder:
    """The parts of one event type, readable at any time.

    All parts have the same schema. A new part appears by a rename. When the schema grows, all
    parts are rewritten with the wider one, under their old names, into a new folder, which then
    replaces the old one in a single step. Merged parts are written in the same way.

    A reader that lists the folder before a replacement and opens the files after it never gets
    wrong rows. After a change of the schema DuckDB, pandas and pyarrow continue, and Polars
    raises, because it remembers file sizes. After a merge the old names are gone, and all raise.

    Args:
        folder: The folder of the parts; it is created with the first one.
        staging: The folder in which parts are written before readers see them.

    Attributes:
        missing_rows: Events of parts that were there, and are missing or damaged now.
    """

    def __init__(self, folder: Path, staging: StagingFolder) -> None:
        self.missing_rows = 0
        self._folder = folder
        self._staging = staging
        self._load()

    @property
    def columns(self) -> dict[str, Kind]:
        """The columns of the parts at the time the folder was opened."""
        return self._columns

    def positions(self, run: RunInfo) -> Iterator[Position]:
        """Yield the positions of a run's events in the parts."""
        for name in self._parts:
            yield from read_positions(self._folder / name, run)

    def add(self, table: pa.Table, attempt: int) -> None:
        """Add a part; the existing ones get its new columns in the same step.

        Args:
            table: At least one event, with at least the columns of the existing parts.
            attempt: The attempt of the events.

        Raises:
            OSError: The part could not be added.
        """
        numbers = [seq for seq in table["seq"].to_pylist() if seq is not None]
        first_seq, last_seq = min(numbers, default=0), max(numbers, default=0)
        is_own = table["event"].unique().to_pylist() == [self._folder.name]
        name = self._free_name(attempt, first_seq, last_seq, len(table) if is_own else None)
        if self._parts and table.schema != self._schema:
            self._rebuild(table.schema, self._singles(), (name, table))
        else:
            self._append(name, table)

    def check(self) -> None:
        """Notice parts that another process has removed."""
        present = {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set()
        for name in self._parts.keys() - present:
            self._drop_damaged(name)

    def unify(self, schema: pa.Schema) -> None:
        """Rewrite all parts with this schema if a crash has left them with different ones.

        Raises:
            OSError: It failed; the parts hold the same events as before.
        """
        if self._parts and self._schema is None:
            self._rebuild(schema, self._singles())

    def compact(self, more_than: int, max_bytes: int = _MAX_BYTES) -> None:
        """Merge small parts, if there are more than `more_than` of them, up to `max_bytes`.

        Where folders can't be exchanged atomically the parts are left as they are: a reader, or a
        kill, could come between the appearance of a merged part and the removal of the others.

        Raises:
            OSError: It failed; the parts hold the same events as before.
        """
        groups = group_small(sorted(self._parts.values()), more_than, max_bytes)
        if groups and self._schema is not None and self._staging.can_exchange():
            self._rebuild(self._schema, groups)
            # Merging takes more memory than the next parts need.
            pa.default_memory_pool().release_unused()

    def _load(self) -> None:
        contents = _clean_up(self._folder, self._staging)
        self._parts, self._columns = contents.parts, contents.columns
        self._schema = contents.schema
        for path in contents.damaged:
            _warn_damaged(path)

    def _singles(self) -> list[list[Part]]:
        return [[part] for part in sorted(self._parts.values())]

    def _append(self, name: str, table: pa.Table) -> None:
        staged = self._staging.new_folder()
        try:
            part = _write(staged, name, table.schema, [table])
            make_folder(self._folder)
            (staged / _unfinished(name)).replace(self._folder / name)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        self._parts[name] = part
        self._schema = table.schema

    def _rebuild(
        self, schema: pa.Schema, groups: list[list[Part]], new: tuple[str, pa.Table] | None = None
    ) -> None:
        """Replace the parts of each group with one part, and add the new one."""
        while True:
            present = [[part for part in group if part.name in self._parts] for group in groups]
            try:
                self._replace(schema, [group for group in present if group], new)
            except DamagedPartError as error:
                self._drop_damaged(error.name)
            else:
                return

    def _replace(
        self, schema: pa.Schema, groups: list[list[Part]], new: tuple[str, pa.Table] | None
    ) -> None:
        staged = self._staging.new_folder()
        with ExitStack() as undo:
            undo.callback(self._load)
            undo.callback(shutil.rmtree, staged, ignore_errors=True)
            parts = self._stage_all(staged, schema, groups, new)
            make_folder(self._folder)
            replace_folder(self._folder, staged, self._parts)
            undo.pop_all()
        self._staging.retire(staged, self._folder, set(self._parts))
        self._parts = parts
        self._schema = schema

    def _stage_all(
        self,
        staged: Path,
        schema: pa.Schema,
        groups: list[list[Part]],
        new: tuple[str, pa.Table] | None,
    ) -> dict[str, Part]:
        parts: dict[str, Part] = {}
        for group in groups:
            part = self._stage(staged, schema, group, parts)
            parts[part.name] = part
        if new is not None:
            parts[new[0]] = _write(staged, new[0], schema, [new[1]])
        for name in parts:
            (staged / _unfinished(name)).rename(staged / name)
        return parts

    def _stage(
        self, staged: Path, schema: pa.Schema, group: list[Part], used_names: Container[str]
    ) -> Part:
        if len(group) == 1 and schema == self._schema:
            _link(self._folder / group[0].name, staged / _unfinished(group[0].name))
            return group[0]
        name = group[0].name
        if len(group) > 1:
            last_seq = max(part.last_seq for part in group)
            are_own = all(Part.of_name(part.name).rows >= 0 for part in group)
            rows = sum(part.rows for part in group) if are_own else None
            name = self._free_name(group[0].attempt, group[0].first_seq, last_seq, rows, used_names)
        tables = (read_tables(self._folder / part.name, schema) for part in group)
        return _write(staged, name, schema, chain.from_iterable(tables))

    def _free_name(
        self,
        attempt: int,
        first_seq: int,
        last_seq: int,
        rows: int | None,
        used_names: Container[str] = (),
    ) -> str:
        names = (part_name(attempt, first_seq, last_seq, rows, copy) for copy in count())
        return next(
            name for name in names if name not in used_names and not (self._folder / name).exists()
        )

    def _drop_damaged(self, name: str) -> None:
        path = self._folder / name
        if path.exists():
            _warn_damaged(self._staging.set_aside(path))
        if part := self._parts.pop(name, None):
            self.missing_rows += part.rows


def _write(staged: Path, name: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> Part:
    path = staged / _unfinished(name)
    rows = write_file(path, schema, tables)
    return Part.of_name(name, rows, path.stat().st_size)


def _unfinished(name: str) -> str:
    return f"{name}.unfinished"


def _link(source: Path, target: Path) -> None:
    try:
        link_or_copy(source, target)
    except FileNotFoundError as error:
        raise DamagedPartError(source.name) from error


def _warn_damaged(path: Path) -> None:
    warn(f"Parquet: a part is damaged and was moved to {path}.")


def warn(text: str) -> None:
    """Log a warning with the logger `system`."""
    # Imported late: `logflume` may not be fully initialized when this module is imported.
    from logflume import get_logger

    get_logger("system").warning(text)


_KEYS = ["attempt", "rank", "seq", "timestamp"]


class _Contents(NamedTuple):
    """The contents of a folder of parts.

    Attributes:
        parts: The parts by name.
        columns: All columns of the parts, in order.
        schema: The schema of the parts; None if they differ or there are none.
        damaged: The paths that unreadable parts were moved to.
    """

    parts: dict[str, Part]
    columns: dict[str, Kind]
    schema: pa.Schema | None
    damaged: list[Path]


def _clean_up(folder: Path, staging: StagingFolder) -> _Contents:
    """Clean up a folder and return its contents.

    A part that can't be read, or that has a column of another type than the others, is moved
    away. A part whose events are all in another part is removed: it is left over from a merge
    that a crash interrupted between writing the merged part and removing its sources.

    Raises:
        OSError: The folder can't be read or changed.
    """
    parts: dict[str, Part] = {}
    columns: dict[str, Kind] = {}
    schemas: dict[str, pa.Schema] = {}
    damaged: list[Path] = []
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "a link, which is not followed", str(folder))
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in (path for path in paths if is_part_name(path.name)):
        opened = _open(path)
        if opened is None or not _merge_columns(columns, opened[0]):
            damaged.append(staging.set_aside(path))
            continue
        schemas[path.name], rows = opened
        parts[path.name] = Part.of_name(path.name, rows, path.stat().st_size)
    for name in _remove_copies(folder, parts):
        del schemas[name]
    same = {tuple(schema.names) for schema in schemas.values()} == {tuple(columns)}
    return _Contents(parts, columns, next(iter(schemas.values())) if same else None, damaged)


def _open(path: Path) -> tuple[pa.Schema, int] | None:
    try:
        with ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        if is_shortage(error):
            raise
        return None


def _merge_columns(columns: dict[str, Kind], schema: pa.Schema) -> bool:
    """Add the columns of a schema; return False and add none if one has a conflicting type."""
    kinds = {field.name: find_stored_kind(field.name, field.type) for field in schema}
    known = {name: kind for name, kind in kinds.items() if kind is not None}
    if len(known) < len(kinds) or any(columns.get(n, kind) != kind for n, kind in known.items()):
        return False
    columns.update(known)
    return True


def _remove_copies(folder: Path, parts: dict[str, Part]) -> list[str]:
    """Remove parts whose events are all in another part, and return their names."""
    removed = []
    for inner in list(parts.values()):
        if any(
            outer is not inner and outer.covers(inner) and _contains_events_of(folder, outer, inner)
            for outer in parts.values()
        ):
            (folder / inner.name).unlink()
            del parts[inner.name]
            removed.append(inner.name)
    return removed


def _contains_events_of(folder: Path, outer: Part, inner: Part) -> bool:
    # Names are only a hint: ranges also overlap if events were written out of order.
    inner_keys = _read_keys(folder / inner.name)
    return bool(inner_keys) and inner_keys <= _read_keys(folder / outer.name)


def _read_keys(path: Path) -> set[tuple[Any, ...]]:
    try:
        with ParquetFile(path) as file:
            table = file.read(_KEYS)
    except (OSError, pa.ArrowException) as error:
        if is_shortage(error):
            raise
        return set()
    return set(zip(*(column.to_pylist() for column in table.columns), strict=True))
