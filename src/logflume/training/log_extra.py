"""Columns that reward functions log with the `log_extra` that TRL passes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import count
from typing import Any

from logflume.guard import call_guarded
from logflume.training.images import copy_messages
from logflume.values.snapshot import key_text

__all__ = ["LogExtra", "extra_columns"]


class LogExtra:
    """Stands for the `log_extra` of one call of a reward function, and keeps what it logs.

    Args:
        log_extra: The trainer's own, which is called with the same arguments.

    Attributes:
        columns: The logged values, by the name of their column.
    """

    def __init__(self, log_extra: Any) -> None:
        self._log_extra = log_extra
        self.columns: dict[str, list[Any]] = {}

    @classmethod
    def listen(cls, call: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a reward function with a `LogExtra`, if it gets `log_extra`."""
        if not callable(call.get("log_extra")):
            return call
        return {**call, "log_extra": cls(call["log_extra"])}

    def __call__(self, column: str, values: Any) -> Any:
        """Log a column of one value for each completion."""
        if not isinstance(values, Sequence) and isinstance(values, Iterable):
            values = list(values)  # a generator can be consumed only once
        call_guarded(self._keep, column, values)
        return self._log_extra(column, values)

    def _keep(self, column: str, values: Any) -> None:
        self.columns.setdefault(key_text(column), []).extend(map(copy_messages, values))


def extra_columns(calls: Iterable[LogExtra], rows: int) -> tuple[dict[str, list[Any]], list[str]]:
    """Return the columns of a batch, and what is wrong with those that don't have a value a row.

    Args:
        calls: What each reward function logged. Where two have logged a column of one name, the
            second gets a number.
        rows: The number of completions.
    """
    columns: dict[str, list[Any]] = {}
    problems: list[str] = []
    for call in calls:
        for name, values in call.columns.items():
            if len(values) == rows:
                columns[_numbered(name, columns)] = values
            else:
                problems.append(f"log_extra({name!r}): {len(values)} values for {rows} completions")
    return columns, problems


def _numbered(name: str, taken: Collection[str]) -> str:
    """Return the name with a number if another column has it, as for reward functions."""
    names = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(one for one in names if one not in taken)
