"""Maps the names that other tools use to event types and fields.

| name                                   | event        | field           |
|----------------------------------------|--------------|-----------------|
| `train/loss`, `loss`                   | `training`   | `loss`          |
| `eval/loss`, `eval_loss`               | `evaluation` | `loss`          |
| `train/train_runtime`, `train_runtime` | `summary`    | `train_runtime` |
| `system/cpu_percent`                   | `system`     | `cpu_percent`   |
| `test/loss`, `test_loss`               | `evaluation` | `test_loss`     |
| any other, such as `speed/loss`        | `training`   | the full name   |

transformers writes `loss` as `train/loss`, `eval_loss` as `eval/loss` and `test_loss` as
`test/loss`. This module reverts that, and then splits the names of each group as logflume's
callbacks split a report. A name `<type>/<field>`, as in the event files of logflume's own sink, is
a field of that type if the type declares it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from logflume.events.catalogue import CATALOGUE
from logflume.events.trainer_names import split_report
from logflume.values.declared import declared_kind
from logflume.values.plain import NONFINITE_NAMES

__all__ = [
    "LOCATING_NAMES",
    "ImportedEvent",
    "LeftOut",
    "Reader",
    "Reading",
    "parse_nonfinite",
    "split_reports",
]


class ImportedEvent(msgspec.Struct):
    """An event as read from a source, before it is normalized.

    Attributes:
        event: Event type. `run_finished` has the status of the run and is written last.
        fields: The fields; lists and mappings may be nested.
        step: The training step; None if it has none.
        time_s: When it was logged, in seconds since 1970; None if unknown.
    """

    event: str
    fields: dict[str, Any]
    step: Any = None
    time_s: float | None = None


LeftOut: TypeAlias = Counter[str]
"""Number of items that were not imported, by kind and reason."""


class Reading(msgspec.Struct):
    """What a reader is asked for, and what it notes while it yields events.

    Attributes:
        step: Name of the field that is the step: as the user requires, or as the reader found; None
            if no field is, or the format has a step of its own.
        left_out: What it leaves out.
    """

    step: str | None = None
    left_out: LeftOut = msgspec.field(default_factory=Counter)


Reader: TypeAlias = Callable[[Path, Reading], Iterator[ImportedEvent]]
"""Yields the events of a file or folder, and notes what it leaves out."""

LOCATING_NAMES = frozenset({"epoch", "global_step", "_runtime", "_step"})
"""Names that locate a report. They are added to its events, but make none on their own."""

_GROUPS = frozenset({"train", "eval", "test"})
"""The groups into which transformers' integrations put the names of a report."""


def split_reports(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the fields of each event type.

    Args:
        reports: Values by name, for each part of the source. `""` is the only part, or the main
            one; the fields of any other part are prefixed with its name.

    Example:
        >>> split_reports({"": {"train/loss": 1.0, "train/epoch": 0.5, "eval/loss": 2.0}})
        {'training': {'loss': 1.0, 'epoch': 0.5}, 'evaluation': {'loss': 2.0, 'epoch': 0.5}}
        >>> split_reports({"run-a": {"train/loss": 1.0}})
        {'training': {'run-a/loss': 1.0}}
    """
    by_type: dict[str, dict[str, Any]] = {}
    for part, report in reports.items():
        for event, fields in _split(report).items():
            merged = by_type.setdefault(event, {})
            for name, value in fields.items():
                merged[f"{part}/{name}" if part else name] = value
    return by_type


def parse_nonfinite(value: Any) -> Any:
    """Return a number for the texts that represent NaN and infinities in JSON, else the value."""
    return float(value) if isinstance(value, str) and value in NONFINITE_NAMES else value


def _split(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    declared: dict[str, dict[str, Any]] = {}
    locating: dict[str, Any] = {}
    by_group: dict[str, dict[str, Any]] = {}
    for name, value in report.items():
        event, _, field = name.partition("/")
        if event in CATALOGUE and field and declared_kind(event, field) is not None:
            declared.setdefault(event, {})[field] = value
            continue
        original = _original_name(name)
        # A custom training script may log both `loss` and `train/loss`.
        is_taken = original in report or any(original in group for group in by_group.values())
        if original != name and is_taken:
            original = name
        if original in LOCATING_NAMES:
            locating[original] = value
        else:
            by_group.setdefault(event if event in _GROUPS else "", {})[original] = value
    by_type: dict[str, dict[str, Any]] = {}
    for group in by_group.values() or [{}] * bool(locating):
        for event, fields in split_report({**group, **locating}, LOCATING_NAMES).items():
            by_type[event] = {**by_type.get(event, {}), **fields}
    for event, fields in declared.items():
        by_type[event] = {**by_type.get(event, {}), **fields}
    return by_type


def _original_name(name: str) -> str:
    """Revert the renaming that transformers' integrations apply to the names of a report."""
    group, _, rest = name.partition("/")
    if not rest or group not in _GROUPS:
        return name
    return rest if group == "train" else f"{group}_{rest}"
