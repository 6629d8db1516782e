"""Objects with named or ordered parts, converted to mappings and collections."""

from __future__ import annotations

import dataclasses
import sys
from collections import UserList, UserString, deque
from collections.abc import Callable, Collection, Mapping, Sequence, Set, ValuesView
from types import SimpleNamespace
from typing import Any

import msgspec

from logflume.guard import Failure, call_guarded, type_name, unreadable
from logflume.values.array_summary import describe_shape
from logflume.values.arrays import MAX_ELEMENTS
from logflume.values.reports import VALUE_REPORTS

__all__ = ["as_container"]

_COLLECTIONS = (list, tuple, Set, deque, ValuesView)

Reader = Callable[[Any], Collection[Any] | None]


def as_container(value: Any) -> Collection[Any] | None:
    """Return the parts of an object as a mapping or a collection; None if it has none.

    Named tuples, dataclasses, msgspec structs, pydantic models, attrs classes, namespaces and
    tables are mappings. So are objects with `keys` and `[…]`. A sequence must be registered as one:
    an object that merely has a length may be a dataset, which isn't read here.
    """
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if isinstance(value, _COLLECTIONS):
        return value
    if isinstance(value, type):
        return None
    for read in _READERS:
        if (container := read(value)) is not None:
            return container
    return None


def _sequence(value: Any) -> Collection[Any] | None:
    if not isinstance(value, Sequence) or isinstance(value, UserString):
        return None
    if hasattr(type(value), "tolist"):  # an array, which is read elsewhere
        return None
    if len(value) <= MAX_ELEMENTS or isinstance(value, UserList):
        return value
    # The items of a range, or of a column of a dataset, are created when they are read.
    return describe_shape((len(value),), type_name(value))


def _fields(value: Any) -> dict[str, Any] | None:
    """Return the declared fields of an object."""
    kind = type(value)
    if dataclasses.is_dataclass(value):
        return _attributes(value, [field.name for field in dataclasses.fields(value)])
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(names := getattr(kind, "model_fields", None), dict):  # pydantic
        return {**_attributes(value, names), **(getattr(value, "__pydantic_extra__", None) or {})}
    if hasattr(kind, "__fields_set__"):  # pydantic 1
        return _attributes(value, vars(value))
    if hasattr(kind, "__attrs_attrs__"):
        return _attributes(value, [field.name for field in kind.__attrs_attrs__])
    return None


def _attributes(value: Any, names: Collection[str]) -> dict[str, Any]:
    """Return attributes by name; a mark replaces one that can't be read."""
    attributes: dict[str, Any] = {}
    for name in names:
        attribute = call_guarded(getattr, value, name)
        if not isinstance(attribute, Failure):
            attributes[name] = attribute
        elif not isinstance(attribute.error, AttributeError):  # else it was never set
            attributes[name] = unreadable("value", attribute.error)
    return attributes


def _namespace(value: Any) -> dict[str, Any] | None:
    is_namespace = isinstance(value, SimpleNamespace) or _is_of("argparse", "Namespace", value)
    return dict(vars(value)) if is_namespace else None


def _table(value: Any) -> dict[str, Any] | None:
    """Return the columns of a table by name, unless two have one name."""
    columns: list[tuple[str, Any]]
    if _is_of("pandas", "DataFrame", value):
        first = _first_rows(value, value.head)
        columns = [(name, _with_nulls(column)) for name, column in first.items()]
    elif _is_of("polars", "DataFrame", value):
        first = _first_rows(value, value.head)
        columns = [(column.name, column) for column in first.get_columns()]
    elif _is_of("pyarrow", "Table", value) or _is_of("pyarrow", "RecordBatch", value):
        first = _first_rows(value, lambda count: value.slice(0, count))
        columns = list(zip(first.schema.names, first.columns, strict=True))
    else:
        return None
    by_name = dict(columns)
    return by_name if len(by_name) == len(columns) else None


def _with_nulls(column: Any) -> Any:
    """Return a column of pandas where missing texts, dates and the like are None, and not NaN."""
    if column.dtype.kind in "biufc" or not column.hasnans:
        return column
    return column.astype(object).where(column.notna(), None)


def _first_rows(table: Any, head: Callable[[int], Any]) -> Any:
    """Return as many rows of a table as a list may have, and report the rest as left out."""
    count = int(table.shape[0])
    if count <= MAX_ELEMENTS:
        return table
    VALUE_REPORTS.once(
        "rows", f"of a table with {count:,} rows the first {MAX_ELEMENTS:,} are kept"
    )
    return head(MAX_ELEMENTS)


def _is_of(module: str, name: str, value: Any) -> bool:
    """Whether a value is of a class of a library, which may not be loaded."""
    return isinstance(value, getattr(sys.modules.get(module), name, ()))


def _keyed(value: Any) -> dict[Any, Any] | None:
    kind = type(value)
    is_array = hasattr(kind, "__array__") or hasattr(kind, "tolist")
    if is_array or not (hasattr(kind, "keys") and hasattr(kind, "__getitem__")):
        return None
    return {key: value[key] for key in value.keys()}  # noqa: SIM118 - it need not be iterable


_READERS: tuple[Reader, ...] = (_table, _keyed, _sequence, _fields, _namespace)
