"""Options of the detectors, as `watch_training` takes them and as a run has them on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from logflume.diagnosis.detectors import make_detectors

__all__ = ["SHORTHANDS", "read_options", "with_shorthands"]

_PROCESSOR = "watch_training"

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
    """Return the options by signal, with the shorthands that are not None added.

    >>> with_shorthands({"staleness": {"steps": 8}}, variance_share=0.1, correctness=None)
    {'staleness': {'steps': 8}, 'variance_collapse': {'share': 0.1}}
    """
    options = {signal: dict(given) for signal, given in detectors.items()}
    for name, value in shorthands.items():
        if value is not None:
            signal, option = SHORTHANDS[name]
            options.setdefault(signal, {}).setdefault(option, value)
    return options


def read_options(config: Any, note: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Return the options of the detectors that are on record in a run.

    Args:
        config: The configuration of logflume, as the JSON text of a `run_started` event.
        note: Called with a line if the options can't be used; the defaults apply instead.

    >>> read_options('{"processors": [{"watch_training": {"variance_share": 0.1}}]}', print)
    {'variance_collapse': {'share': 0.1}}
    """
    try:
        chain = msgspec.json.decode(config, type=dict[str, Any])["processors"]
        given = [entry[_PROCESSOR] for entry in chain if _is_ours(entry)]
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError):
        return {}
    options: dict[str, dict[str, Any]] = {}
    for one in given:
        try:
            shorthands = {name: one[name] for name in one if name in SHORTHANDS}
            if unknown := sorted(one.keys() - SHORTHANDS.keys() - {"detectors"}):
                note(f"{_PROCESSOR}: ignored options on record: {', '.join(unknown)}")
            options = with_shorthands(one.get("detectors") or {}, **shorthands)
            make_detectors(options)
        except (ValueError, TypeError, AttributeError) as error:
            note(f"{_PROCESSOR}: the options on record are not used: {error}")
            options = {}
    return options


def _is_ours(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(_PROCESSOR), dict)
