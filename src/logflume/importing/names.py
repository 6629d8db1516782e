"""From the names of other tools to the events and fields of ours.

| name                                   | event        | field          |
|----------------------------------------|--------------|----------------|
| `train/loss`, `loss`                   | `training`   | `loss`         |
| `eval/loss`, `eval_loss`               | `evaluation` | `loss`         |
| `train/train_runtime`, `train_runtime` | `summary`    | `train_runtime`|
| `system/cpu_percent`                   | `system`     | `cpu_percent`  |
| any other, `test/loss` say             | `training`   | the whole name |

transformers writes `loss` as `train/loss` and `eval_loss` as `eval/loss`; that is undone, and
then the report is sorted as our callbacks sort it. A name of the form `<type>/<field>` is a field
of that type where the type declares it: our own TensorBoard files have such names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from logflume.events.catalogue import CATALOGUE
from logflume.events.trainer_names import EVALUATION_PREFIX, split_report
from logflume.values.kinds import declared_kind

__all__ = ["BESIDE", "ImportedEvent", "LeftOut", "Reader", "number_of", "sort_reports"]


class ImportedEvent(msgspec.Struct):
    """An event as it was found, before it is made one of ours.

    Attributes:
        event: Its type. A `run_finished` tells how the run ended and is written last.
        fields: Its fields; lists and mappings may be nested.
        step: The training step; None where it has none.
        time_s: When it was logged, in seconds since 1970; None where the source doesn't tell.
    """

    event: str
    fields: dict[str, Any]
    step: Any = None
    time_s: float | None = None


LeftOut: TypeAlias = Counter[str]
"""How much was not imported, by what it is and why."""

Reader: TypeAlias = Callable[[Path, LeftOut], Iterator[ImportedEvent]]
"""Yields what is in a file or folder, and counts what it leaves out."""

BESIDE = frozenset({"epoch", "global_step", "_runtime", "_step"})
"""What says where a report belongs, and is no reason for an event of its own."""

_NONFINITE = {"NaN", "Infinity", "-Infinity"}


def sort_reports(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the fields of each type of event.

    Args:
        reports: By the part of the source that they are from, values by name: `""` is the only
            part, or the main one; the fields of any other part have its name in front.

    Example:
        >>> sort_reports({"": {"train/loss": 1.0, "train/epoch": 0.5, "eval/loss": 2.0}})
        {'training': {'loss': 1.0, 'epoch': 0.5}, 'evaluation': {'loss': 2.0, 'epoch': 0.5}}
        >>> sort_reports({"run-a": {"train/loss": 1.0}})
        {'training': {'run-a/loss': 1.0}}
    """
    found: dict[str, dict[str, Any]] = {}
    for part, report in reports.items():
        for event, fields in _sort_report(report).items():
            into = found.setdefault(event, {})
            for name, value in fields.items():
                into[f"{part}/{name}" if part else name] = value
    return found


def number_of(value: Any) -> Any:
    """Return a value; the texts that stand for NaN and infinities in JSON as such numbers."""
    return float(value) if isinstance(value, str) and value in _NONFINITE else value


def _sort_report(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    own: dict[str, dict[str, Any]] = {}
    reported: dict[str, Any] = {}
    for name, value in report.items():
        event, _, field = name.partition("/")
        if event in CATALOGUE and field and declared_kind(event, field) is not None:
            own.setdefault(event, {})[field] = value
        else:
            short = _as_reported(name)
            # A script of one's own may log both `loss` and `train/loss`.
            is_taken = short != name and (short in report or short in reported)
            reported[name if is_taken else short] = value
    if not reported:
        return own
    sorted_fields = split_report(reported, BESIDE)
    for event, fields in own.items():
        sorted_fields[event] = {**sorted_fields.get(event, {}), **fields}
    return sorted_fields


def _as_reported(name: str) -> str:
    """Undo what transformers' integrations do to the names of a report."""
    group, _, rest = name.partition("/")
    if not rest or group not in ("train", "eval"):
        return name
    return rest if group == "train" else EVALUATION_PREFIX + rest
