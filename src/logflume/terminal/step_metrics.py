"""Which metrics a step line shows, in which order, and under which short names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from logflume.events.reserved import RESERVED_NAMES
from logflume.terminal.cells import cell_len, fit
from logflume.terminal.compact_numbers import compact_number, compact_percent
from logflume.terminal.console_fields import histogram_details
from logflume.terminal.escape import escape
from logflume.values.pixels import is_image_path

__all__ = ["MAIN_IMPORTANCE", "MAX_LABEL_WIDTH", "StepMetric", "short_name", "step_metrics"]

MAX_LABEL_WIDTH = 24
"""Cells of a label. A column that doesn't fit a line is left out, rather than its label cut."""

_MIN_LABEL_WIDTH = 8
"""Cells that are kept of a path, so that it says more than `mean`."""

MAX_TEXT_WIDTH = 16


class StepMetric(NamedTuple):
    """A metric as a step line shows it.

    Attributes:
        name: Its name in the event.
        value: Its value.
        label: Its name in the line.
        importance: Where there isn't room for all metrics, those with the lowest number are shown.
        place: The position in the line; the lowest is at the left.
    """

    name: str
    value: Any
    label: str
    importance: float
    place: float

    @property
    def is_number(self) -> bool:
        """Whether the value is a number, which is aligned to the right."""
        return isinstance(self.value, (int, float)) and not isinstance(self.value, bool)

    @property
    def text(self) -> str:
        """The value as text."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if not self.is_number:
            return fit(escape(str(self.value)), MAX_TEXT_WIDTH)
        return (compact_percent if _SHARE.fullmatch(self.name) else compact_number)(self.value)


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
"""The metrics that follow those of the user."""

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
    r"|logits/.*|frac_(?:all|none)_correct"
)
"""Names that come after all others."""

_HIDDEN = re.compile(
    r"gpu/.*|torch/.*|profiling/.*|memory/.*|quality/.*|nonfinite|extras|problem"
    r"|(?:.*_)?(?:runtime|per_second|preparation_time)|total_flos"
    r"|global_step|generation|step_time|num_generations|groups|rows|weights/.*|reward_s/.*"
    r"|rewards/.*/(?:std|min|max|n|frac_zero_std)|exception/.*"
)

_FUNCTION = re.compile(r"rewards/(.+)/mean")
_TOTAL = "rewards/total/mean"
_AFFIXES = re.compile(r"^reward_|_reward(?:s|_func|_fn|_function)?$|_(?:func|fn)$")
_ABBREVIATIONS = {"correctness": "corr", "format": "fmt", "accuracy": "acc"}
_SHARE = re.compile(r"completions/clipped_ratio|frac_.*")

_KNOWN = {
    name: (label, float(index)) for index, (name, label) in enumerate((*_FIRST, *_NEXT, *_LAST))
}
MAIN_IMPORTANCE = _OF_FUNCTIONS = len(_FIRST) - 0.5
"""The importance of the reward functions: no main metric has a higher one."""

_OF_OTHERS = len(_FIRST) - 0.25
_OF_BOOKKEEPING = float(len(_KNOWN))
_BEFORE_LOSS = 0.5
"""The place of the reward functions: between the reward, which is their sum, and the loss."""


def step_metrics(event: Mapping[str, Any]) -> list[StepMetric]:
    """Return the metrics of a `training`, `evaluation` or `reward` event that a line may show.

    Example:
        >>> [(m.label, m.text) for m in step_metrics({"loss": 0.25, "rewards/format/mean": 0.5})]
        [('loss', '.250'), ('fmt', '.500')]
    """
    found = []
    has_reward = event.get("reward") is not None
    hidden = histogram_details(tuple(event))
    for field, value in event.items():
        if value is None or isinstance(value, (list, dict)) or is_image_path(value):
            continue
        if field in hidden or (field == _TOTAL and has_reward):
            continue
        name = "reward" if field == _TOTAL else field
        if (shown := _describe(name)) is not None:
            found.append(StepMetric(name, value, *shown))
    return found


@lru_cache(maxsize=1024)
def _describe(name: str) -> tuple[str, float, float] | None:
    """Return a metric's label, importance and place; None if it isn't shown."""
    if name in RESERVED_NAMES or _HIDDEN.fullmatch(name):
        return None
    label, importance, place = _rank(name)
    return _fitting(escape(label)), importance, place


def _fitting(label: str) -> str:
    """Return a label that fits: without the first parts of its path, or else cut.

    >>> _fitting("gradient_norms/of_the_policy_model"), _fitting("a" * 30 + "/mean")
    ('of_the_policy_model', 'aaaaaaaaaaaaaaaaaaaaaaa…')
    """
    rest = label
    while cell_len(rest) > MAX_LABEL_WIDTH and "/" in rest:
        rest = rest.partition("/")[2]
    is_clear = rest == label or cell_len(rest) >= _MIN_LABEL_WIDTH
    return fit(rest if is_clear else label, MAX_LABEL_WIDTH)


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
