"""Taking up the parts that an earlier attempt, or a crash, has left in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.reading.part_name import Part, is_part_name
from logflume.values.arrow_column import find_stored_kind
from logflume.values.columns import Kind

from ._pq_workplace import Workplace

__all__ = ["Found", "take_up"]

_KEYS = ["attempt", "rank", "seq", "timestamp"]


class Found(NamedTuple):
    """What a folder holds.

    Attributes:
        parts: Its parts by name.
        columns: All columns of the parts, in order.
        schema: The schema of the parts; None if they have not all the same, or there are none.
        damaged: Where parts that can't be read were moved.
    """

    parts: dict[str, Part]
    columns: dict[str, Kind]
    schema: pa.Schema | None
    damaged: list[Path]


def take_up(folder: Path, work: Workplace) -> Found:
    """Clean a folder and tell what it holds.

    A part that can't be read, or has a column of another type than the others, is moved
    away. A part whose events are all in another one too is removed: a crash came between the
    writing of a larger part and the removal of those it was made of.

    Raises:
        OSError: The folder can't be read or changed.
    """
    parts: dict[str, Part] = {}
    columns: dict[str, Kind] = {}
    schemas: dict[str, pa.Schema] = {}
    damaged: list[Path] = []
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in (path for path in paths if is_part_name(path.name)):
        opened = _open(path)
        if opened is None or not _merge_columns(columns, opened[0]):
            damaged.append(work.set_aside(path))
            continue
        schemas[path.name], rows = opened
        parts[path.name] = Part.of_name(path.name, rows, path.stat().st_size)
    for name in _remove_copies(folder, parts):
        del schemas[name]
    same = {tuple(schema.names) for schema in schemas.values()} == {tuple(columns)}
    return Found(parts, columns, next(iter(schemas.values())) if same else None, damaged)


def _open(path: Path) -> tuple[pa.Schema, int] | None:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException):
        return None


def _merge_columns(columns: dict[str, Kind], schema: pa.Schema) -> bool:
    """Add the columns of a schema; False, and nothing is added, if one doesn't fit the others."""
    kinds = {field.name: find_stored_kind(field.name, field.type) for field in schema}
    known = {name: kind for name, kind in kinds.items() if kind is not None}
    if len(known) < len(kinds) or any(columns.get(n, kind) != kind for n, kind in known.items()):
        return False
    columns.update(known)
    return True


def _remove_copies(folder: Path, parts: dict[str, Part]) -> list[str]:
    """Remove the parts whose events another one has too, and return their names."""
    removed = []
    for inner in list(parts.values()):
        if any(
            outer is not inner and outer.holds_range_of(inner) and _has_all(folder, outer, inner)
            for outer in parts.values()
        ):
            (folder / inner.name).unlink()
            del parts[inner.name]
            removed.append(inner.name)
    return removed


def _has_all(folder: Path, outer: Part, inner: Part) -> bool:
    # The names only hint at it: events that came out of order make ranges overlap, too.
    inner_keys = _read_keys(folder / inner.name)
    return bool(inner_keys) and inner_keys <= _read_keys(folder / outer.name)


def _read_keys(path: Path) -> set[tuple[Any, ...]]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=_KEYS, use_threads=False)
    except (OSError, pa.ArrowException):
        return set()
    return set(zip(*(column.to_pylist() for column in table.columns), strict=True))
