"""What a trainer reports, sorted into events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["EVALUATION_PREFIX", "split_report"]

EVALUATION_PREFIX = "eval_"


def split_report(
    report: Mapping[str, Any], beside: Collection[str] = ("epoch",)
) -> dict[str, dict[str, Any]]:
    """Return the fields of `training`, `evaluation` and `summary`: those of them that there are.

    Args:
        report: What a `transformers` Trainer hands to `on_log`, or keeps in its `log_history`.
        beside: Names that say where a report belongs: each event gets them, and they are no
            reason for an event of their own beside another.

    Example:
        >>> split_report({"eval_loss": 0.5, "epoch": 1.0})
        {'evaluation': {'loss': 0.5, 'epoch': 1.0}}
    """
    found: dict[str, dict[str, Any]] = {"training": {}, "evaluation": {}, "summary": {}}
    common: dict[str, Any] = {}
    for name, value in report.items():
        if name in beside:
            common[name] = value
        elif name.startswith(EVALUATION_PREFIX):
            found["evaluation"][name.removeprefix(EVALUATION_PREFIX)] = value
        elif name.startswith("train_") or name == "total_flos":
            found["summary"][name] = value
        else:
            found["training"][name] = value
    # The last report may carry what is left of training metrics beside the summary.
    parts = {event: {**fields, **common} for event, fields in found.items() if fields}
    return parts or {"training": common}
