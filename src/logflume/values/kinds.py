"""The kinds of values: what a column holds, and what each part of the package does with it.

`KINDS` has a row for each kind. Coercion, Arrow columns, the JSON Schema, CSV cells, terminal text
and TensorBoard take what they need from there, so a new kind is a member of `Kind` and a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal

from logflume.values.plain import json_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "EXACT_MAX",
    "HISTOGRAM_TYPES",
    "INT64_MAX",
    "KINDS",
    "MISFIT",
    "SCALAR_TYPES",
    "Kind",
    "KindSpec",
    "find_kind",
    "kind_of",
]

INT64_MAX = 2**63 - 1
"""The largest integer of a column; the smallest is its negative."""

EXACT_MAX = 2**53
"""Up to here a float64 holds every integer exactly."""


class Kind(StrEnum):
    """What a column holds. A column of any kind may hold nulls."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    INTEGERS = "integers"
    NUMBERS = "numbers"
    TEXTS = "texts"


class _Misfit:
    def __repr__(self) -> str:
        return "MISFIT"


MISFIT: Final = _Misfit()
"""Returned by coercion for a value that a column can't hold."""

ShowText = Callable[[str], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class KindSpec:
    """One row of the table.

    Attributes:
        words: What a value is, in messages.
        python_type: The exact type of a value in a finished event, or of the items of a list.
        is_list: Whether a value is a list.
        coerce: Returns a plain value, not None, as a column of this kind holds it, or `MISFIT`.
        arrow_type: Returns the column's type, given the module pyarrow, which is imported late.
        json_schema: The schema of a value in the journal.
        text: Returns the text of a value, in full, as a CSV cell has it before quoting.
        brief_text: Returns the text of a value for a line on the terminal. Its second argument
            makes text from the log safe to print, and short.
        tensorboard: How TensorBoard shows a value: as a point of a curve, as the histogram of a
            list of rewards, or not at all.
    """

    words: str
    python_type: type
    is_list: bool = False
    coerce: Callable[[Any], Any]
    arrow_type: Callable[[Any], pa.DataType]
    json_schema: dict[str, Any]
    text: Callable[[Any], str]
    brief_text: Callable[[Any, ShowText], str]
    tensorboard: Literal["scalar", "histogram"] | None = None

    @property
    def exact_types(self) -> frozenset[type]:
        """The types of values, or of a list's items, that a column takes without coercion."""
        return frozenset({self.python_type, NoneType})


_NUMERIC = frozenset({int, float, bool, NoneType})
_INTEGRAL = frozenset({int, NoneType})
_TEXTUAL = frozenset({str, NoneType})
_MAX_ITEMS_SHOWN = 8


def _coerce_boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else MISFIT


def _coerce_integer(value: Any) -> Any:
    if isinstance(value, bool):
        return MISFIT
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and abs(value) <= INT64_MAX else MISFIT


def _coerce_number(value: Any) -> Any:
    if isinstance(value, bool):
        return MISFIT
    if isinstance(value, float):
        return value
    return float(value) if _is_exact(value) else MISFIT


def _coerce_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return json_text(value) if isinstance(value, (list, dict)) else MISFIT


def _coerce_integers(value: Any) -> Any:
    if not isinstance(value, list):
        return MISFIT
    if _INTEGRAL.issuperset(map(type, value)):
        return value if max(map(abs, filter(None, value)), default=0) <= INT64_MAX else MISFIT
    items = [None if item is None else _coerce_integer(item) for item in value]
    return MISFIT if MISFIT in items else items


def _coerce_numbers(value: Any) -> Any:
    if not isinstance(value, list):
        return MISFIT
    types = set(map(type, value))
    if types <= {float, NoneType}:
        return value
    if not types <= _NUMERIC or not all(_is_exact(v) for v in value if type(v) is int):
        return MISFIT
    return [None if item is None else float(item) for item in value]


def _coerce_texts(value: Any) -> Any:
    return value if isinstance(value, list) and _TEXTUAL.issuperset(map(type, value)) else MISFIT


def _is_exact(value: Any) -> bool:
    """Whether a float64 holds this integer exactly."""
    return isinstance(value, int) and (
        abs(value) <= EXACT_MAX or (abs(value) < 2**1023 and int(float(value)) == value)
    )


def _boolean_text(value: bool) -> str:
    return "true" if value else "false"


def _brief_number(value: float, _show_text: ShowText) -> str:
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"


def _brief_list(values: list[Any], show_text: ShowText) -> str:
    if len(values) > _MAX_ITEMS_SHOWN:
        return f"[{len(values)} values]"
    shown = (
        "None" if item is None else KINDS[kind_of(item)].brief_text(item, show_text)
        for item in values
    )
    return f"[{', '.join(shown)}]"


KINDS: dict[Kind, KindSpec] = {
    Kind.BOOLEAN: KindSpec(
        words="a boolean",
        python_type=bool,
        coerce=_coerce_boolean,
        arrow_type=lambda arrow: arrow.bool_(),
        json_schema={"type": ["boolean", "null"]},
        text=_boolean_text,
        brief_text=lambda value, _show_text: _boolean_text(value),
    ),
    Kind.INTEGER: KindSpec(
        words="an integer",
        python_type=int,
        coerce=_coerce_integer,
        arrow_type=lambda arrow: arrow.int64(),
        json_schema={"type": ["integer", "null"]},
        text=repr,
        brief_text=lambda value, _show_text: str(value),
        tensorboard="scalar",
    ),
    Kind.NUMBER: KindSpec(
        words="a number",
        python_type=float,
        coerce=_coerce_number,
        arrow_type=lambda arrow: arrow.float64(),
        json_schema={"type": ["number", "null"]},
        text=repr,
        brief_text=_brief_number,
        tensorboard="scalar",
    ),
    Kind.TEXT: KindSpec(
        words="a string",
        python_type=str,
        coerce=_coerce_text,
        arrow_type=lambda arrow: arrow.string(),
        json_schema={"type": ["string", "null"]},
        text=str,
        brief_text=lambda value, show_text: show_text(value),
    ),
    Kind.INTEGERS: KindSpec(
        words="a list of integers",
        python_type=int,
        is_list=True,
        coerce=_coerce_integers,
        arrow_type=lambda arrow: arrow.list_(arrow.int64()),
        json_schema={"type": ["array", "null"], "items": {"type": ["integer", "null"]}},
        text=json_text,
        brief_text=_brief_list,
    ),
    Kind.NUMBERS: KindSpec(
        words="a list of numbers",
        python_type=float,
        is_list=True,
        coerce=_coerce_numbers,
        arrow_type=lambda arrow: arrow.list_(arrow.float64()),
        json_schema={"type": ["array", "null"], "items": {"type": ["number", "null"]}},
        text=json_text,
        brief_text=_brief_list,
        tensorboard="histogram",
    ),
    Kind.TEXTS: KindSpec(
        words="a list of strings",
        python_type=str,
        is_list=True,
        coerce=_coerce_texts,
        arrow_type=lambda arrow: arrow.list_(arrow.string()),
        json_schema={"type": ["array", "null"], "items": {"type": ["string", "null"]}},
        text=json_text,
        brief_text=_brief_list,
    ),
}
"""What the package does with each kind."""


def _types_shown_as(shape: str, *, is_list: bool) -> frozenset[type]:
    return frozenset(
        list if is_list else spec.python_type
        for spec in KINDS.values()
        if spec.tensorboard == shape and spec.is_list is is_list
    )


SCALAR_TYPES = _types_shown_as("scalar", is_list=False)
"""The exact types of values that TensorBoard shows as points of a curve."""

HISTOGRAM_TYPES = _types_shown_as("histogram", is_list=True)
"""The exact types of values that TensorBoard shows as histograms."""

_BY_TYPE = {spec.python_type: kind for kind, spec in KINDS.items() if not spec.is_list}
_BY_ITEM_TYPE = {spec.python_type: kind for kind, spec in KINDS.items() if spec.is_list}


def kind_of(value: Any) -> Kind:
    """Return the kind of a value of a finished event, not None, by its exact type.

    >>> kind_of(1), kind_of(["a", None])
    (<Kind.INTEGER: 'integer'>, <Kind.TEXTS: 'texts'>)
    """
    kind = _BY_TYPE.get(type(value))
    if kind is not None:
        return kind
    items = value if isinstance(value, list) else ()
    return next((_BY_ITEM_TYPE[t] for t in map(type, items) if t in _BY_ITEM_TYPE), Kind.NUMBERS)


def find_kind(value: Any) -> Kind | None:
    """Return the kind that a first value gives its column; None where it determines none.

    Null determines no kind, nor do an empty list, a list of nulls and an empty mapping. Integers
    give a column of numbers: a metric that starts at 0 may continue with 0.5.

    >>> find_kind(1), find_kind([None, 0.5]), find_kind([])
    (<Kind.NUMBER: 'number'>, <Kind.NUMBERS: 'numbers'>, None)
    """
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, (int, float)):
        return Kind.NUMBER
    if isinstance(value, list):
        types = set(map(type, value))
        if types <= {NoneType}:
            return None
        if types <= _NUMERIC:
            return Kind.NUMBERS
        return Kind.TEXTS if types <= _TEXTUAL else Kind.TEXT
    return None if value is None or value == {} else Kind.TEXT
