"""Splits a trainer's report into events by the names of its metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["EVALUATION_PREFIX", "split_report"]

EVALUATION_PREFIX = "eval_"


def split_report(
    report: Mapping[str, Any], shared: Collection[str] = ("epoch",)
) -> dict[str, dict[str, Any]]:
    """Split a report into the fields of `training`, `evaluation` and `summary` events.

    Args:
        report: What a `transformers` Trainer passes to `on_log`, or keeps in its `log_history`.
        shared: Names of fields that locate a report. Every event gets them, and they don't cause
            an event of their own if there is another.

    Returns:
        The fields by event type, for the types that the report has metrics of.

    Example:
        >>> split_report({"eval_loss": 0.5, "epoch": 1.0})
        {'evaluation': {'loss': 0.5, 'epoch': 1.0}}
    """
    by_type: dict[str, dict[str, Any]] = {"training": {}, "evaluation": {}, "summary": {}}
    common: dict[str, Any] = {}
    for name, value in report.items():
        if name in shared:
            common[name] = value
        elif name.startswith(EVALUATION_PREFIX):
            by_type["evaluation"][name.removeprefix(EVALUATION_PREFIX)] = value
        elif name.startswith("train_") or name == "total_flos":
            by_type["summary"][name] = value
        else:
            by_type["training"][name] = value
    # The last report may contain training metrics as well as the summary.
    events = {event: {**fields, **common} for event, fields in by_type.items() if fields}
    return events or {"training": common}
