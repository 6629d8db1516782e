"""Options of the detectors, as `watch_training` takes them and as a run has them on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["SHORTHANDS", "with_shorthands"]

SHORTHANDS: Mapping[str, tuple[str, str]] = {
    "correctness": ("reward_without_correctness", "correctness"),
    "truncation_rise": ("reward_with_truncation", "rise"),
    "variance_share": ("variance_collapse", "share"),
    "zero_signal_share": ("groups_without_signal", "share"),
    "dominating_share": ("dominating_function", "share"),
    "anti_correlation": ("anti_correlated_functions", "correlation"),
}
"""Options of `watch_training` that are short for an option of a detector."""


def with_shorthands(
    detectors: Mapping[str, Mapping[str, Any]], **shorthands: Any
) -> dict[str, dict[str, Any]]:
    """Return the options by signal, with those that are given by shorthands and not None.

    >>> with_shorthands({"staleness": {"steps": 8}}, variance_share=0.1, correctness=None)
    {'staleness': {'steps': 8}, 'variance_collapse': {'share': 0.1}}
    """
    options = {signal: dict(given) for signal, given in detectors.items()}
    for name, value in shorthands.items():
        if value is not None:
            signal, option = SHORTHANDS[name]
            options.setdefault(signal, {}).setdefault(option, value)
    return options
