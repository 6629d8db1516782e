"""Which metrics a step line shows, in which order, and under which short names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from logflume.events.reserved import EventBase
from logflume.terminal.cells import fit
from logflume.terminal.compact_numbers import compact_number, compact_percent
from logflume.terminal.escape import escape

__all__ = ["StepMetric", "short_name", "step_metrics"]

MAX_LABEL_WIDTH = 12
MAX_TEXT_WIDTH = 16


class StepMetric(NamedTuple):
    """A metric as a step line shows it.

    Attributes:
        name: Its name in the event.
        label: Its name in the line.
        text: Its value.
        importance: The lowest is shown first where there isn't room for all.
        place: The lowest is at the left.
        is_number: Whether the value is aligned to the right.
    """

    name: str
    label: str
    text: str
    importance: float
    place: float
    is_number: bool


_FIRST = (
    ("reward", "reward"),
    ("loss", "loss"),
    ("accuracy", "acc"),
    ("rewards/margins", "margin"),
    ("rewards/accuracies", "acc"),
    ("mean_token_accuracy", "token acc"),
)
"""The metrics that people look at first, and their labels; the reward functions follow."""

_NEXT = (
    ("completions/mean_length", "len"),
    ("completions/clipped_ratio", "clip"),
    ("rewards/chosen", "chosen"),
    ("rewards/rejected", "rejected"),
)
"""Those that follow the metrics of the user's own."""

_LAST = (
    ("kl", "kl"),
    ("entropy", "entropy"),
    ("grad_norm", "grad"),
    ("learning_rate", "lr"),
    ("reward_std", "std"),
    ("frac_reward_zero_std", "zero std"),
    ("epoch", "epoch"),
)
"""What a trainer reports in addition."""

_BOOKKEEPING = re.compile(
    r"num_tokens|num_input_tokens_seen|completions/.*|clip_ratio/.*|sampling/.*|tools/.*|logps/.*"
    r"|logits/.*|frac_(?:all|none)_correct|.*_(?:runtime|per_second|preparation_time)|runtime|total_flos"
)
"""Names that come after all others."""

_HIDDEN = re.compile(
    r"gpu/.*|torch/.*|profiling/.*|memory/.*|quality/.*|nonfinite|extras|problem"
    r"|global_step|generation|step_time|num_generations|groups|rows|weights/.*|reward_s/.*"
    r"|rewards/.*/(?:std|min|max|n|frac_zero_std)|exception/.*"
)

_FUNCTION = re.compile(r"rewards/(.+)/mean")
_TOTAL = "rewards/total/mean"
_AFFIXES = re.compile(r"^reward_|_reward(?:s|_func|_fn|_function)?$|_(?:func|fn)$")
_ABBREVIATIONS = {"correctness": "corr", "format": "fmt", "accuracy": "acc"}
_PERCENT = re.compile(r"completions/clipped_ratio|frac_.*")

_KNOWN = {
    name: (label, float(index)) for index, (name, label) in enumerate((*_FIRST, *_NEXT, *_LAST))
}
_OF_FUNCTIONS = len(_FIRST) - 0.5
_OF_OTHERS = len(_FIRST) - 0.25
_OF_BOOKKEEPING = float(len(_KNOWN))
_BEFORE_LOSS = 0.5
"""The place of the reward functions: between the reward, which they add up to, and the loss."""

_RESERVED = frozenset(EventBase.__struct_fields__)


def step_metrics(event: Mapping[str, Any]) -> list[StepMetric]:
    """Return the metrics of a `training`, `evaluation` or `reward` event that a line may show.

    Example:
        >>> [(m.label, m.text) for m in step_metrics({"loss": 0.25, "rewards/format/mean": 0.5})]
        [('loss', '.250'), ('fmt', '.500')]
    """
    found = []
    has_reward = event.get("reward") is not None
    for name, value in event.items():
        if name in _RESERVED or value is None or isinstance(value, (list, dict)):
            continue
        if name == _TOTAL and not has_reward:
            name = "reward"
        if name == _TOTAL or _HIDDEN.fullmatch(name):
            continue
        label, importance, place = _rank(name)
        text, is_number = _format(name, value)
        label = fit(escape(label), MAX_LABEL_WIDTH)
        found.append(StepMetric(name, label, text, importance, place, is_number))
    return found


def _rank(name: str) -> tuple[str, float, float]:
    """Return the label of a metric, its importance and its place."""
    if name in _KNOWN:
        label, rank = _KNOWN[name]
        return label, rank, rank
    if match := _FUNCTION.fullmatch(name):
        return short_name(match[1]), _OF_FUNCTIONS, _BEFORE_LOSS
    rank = _OF_BOOKKEEPING if _BOOKKEEPING.fullmatch(name) else _OF_OTHERS
    return name, rank, rank


def short_name(function: str) -> str:
    """Return a short name of a reward function.

    >>> short_name("correctness_reward"), short_name("strict_format")
    ('corr', 'strict_format')
    """
    name = _AFFIXES.sub("", function) or function
    return _ABBREVIATIONS.get(name, name)


def _format(name: str, value: Any) -> tuple[str, bool]:
    if isinstance(value, bool):
        return "yes" if value else "no", False
    if isinstance(value, (int, float)):
        is_percent = _PERCENT.fullmatch(name) is not None
        return (compact_percent if is_percent else compact_number)(value), True
    return fit(escape(str(value)), MAX_TEXT_WIDTH), False
