"""What the name of a metric says: its place in a list, which values are better, whether it matters.

Runs have metrics of any name, so the rules go by the words of a name, and a name that says nothing
keeps the order in which the metrics were logged.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, TypeAlias

__all__ = ["Better", "better_values", "is_detail", "position"]

Better: TypeAlias = Literal["higher", "lower"] | None
"""Which values of a metric are better; None if neither, or unknown."""

_WORD = re.compile(r"[^a-z0-9]+")
_HIGHER = re.compile(
    r"rewards?|returns?|scores?|accuracy|accuracies|acc|f1|bleu|rouge.*|meteor|precision|recall|auc"
    r"|auroc|map|mrr|ndcg|match|em|margins?|success|win|pass|solved|correct|correctness|hits|psnr"
    r"|ssim|iou|dice|r2"
)
_LOWER = re.compile(
    r"loss|nll|perplexity|ppl|errors?|err|mse|mae|rmse|wer|cer|ter|fid|bpb|bpc|regret"
)
_SPREAD = frozenset({"std", "n", "frac", "rejected", "var"})
"""Words of names that are no measure of success, whatever else they say."""

_DETAILS = (
    "epoch",
    "num_tokens",
    "num_input_tokens_seen",
    "global_step",
    "*runtime",
    "*_per_second",
    "step_time",
    "total_flos",
    "clip_ratio/*",
    "completions/min_*",
    "completions/max_*",
    "completions/*_terminated_length",
    "rewards/*/std",
    "rewards/*/min",
    "rewards/*/max",
    "rewards/*/n",
    "rewards/*/frac_zero_std",
    "weights/*",
    "groups",
    "num_generations",
    "frac_all_correct",
    "frac_none_correct",
    "generation.*",
    "logps/*",
    "logits/*",
    "profiling/*",
    "*/nonfinite",
    "*.*/n",
    "gpu/*",
    "sampling/*",
)
"""Counters, durations, and what a trainer or this package measures besides the main metrics."""

_TRAINERS = (
    "completions/mean_length",
    "completions/clipped_ratio",
    "kl",
    "entropy",
    "grad_norm",
    "learning_rate",
    "reward_std",
    "frac_reward_zero_std",
)
"""What a trainer reports besides the reward and the loss, most telling first."""

_EVALUATION = "eval/"


@lru_cache(maxsize=4096)
def better_values(name: str, *, has_reward: bool = False) -> Better:
    """Return which values of a metric are better, by the last word of its name that says so.

    Args:
        name: Name of the metric.
        has_reward: Whether the run has a reward: the loss of a policy then says nothing.

    Example:
        >>> better_values("eval/loss"), better_values("exact_match"), better_values("entropy")
        ('lower', 'higher', None)
    """
    words = _WORD.split(name.lower())
    is_policy_loss = has_reward and name.removeprefix(_EVALUATION) == "loss"
    if is_policy_loss or not _SPREAD.isdisjoint(words):
        return None
    if "rewards/" in name:
        return "higher"
    for word in reversed(words):
        if _HIGHER.fullmatch(word):
            return "higher"
        if _LOWER.fullmatch(word):
            return "lower"
    return None


@lru_cache(maxsize=4096)
def is_detail(name: str) -> bool:
    """Whether a metric is a counter, a duration or a detail, which is shown on request only.

    >>> is_detail("eval/runtime"), is_detail("generation.quality/words/mean"), is_detail("my/own")
    (True, True, False)
    """
    own = name.removeprefix(_EVALUATION)
    return any(fnmatchcase(own, pattern) for pattern in _DETAILS)


def position(name: str) -> tuple[int, str]:
    """Return a sort key: the reward, the loss, evaluations, the user's own, then the trainer's.

    Of evaluations, what is known to be good or bad comes first, and the rest is last. The user's
    own are in groups, which have the same text before the first `/` or `.`. Within a group, and for
    names without one, a stable sort keeps the order in which they were logged.

    >>> sorted(["kl", "x/a", "loss", "eval/loss", "rewards/f/mean", "reward"], key=position)
    ['reward', 'rewards/f/mean', 'loss', 'eval/loss', 'x/a', 'kl']
    """
    own = name.removeprefix(_EVALUATION)
    rank = _rank(own)
    if own != name:
        is_main = rank < _OTHERS or better_values(own) is not None
        return (_EVALUATIONS + rank if is_main else _LAST), ""
    if own in _TRAINERS:
        return _OF_TRAINERS + _TRAINERS.index(own), ""
    if is_detail(own):
        return _OF_DETAILS, ""
    group = re.split(r"[/.]", name, maxsplit=1)[0] if re.search(r"[/.]", name) else ""
    return (rank, "") if rank < _OTHERS else (_OWN, group)


_OTHERS, _EVALUATIONS, _OWN, _OF_TRAINERS, _OF_DETAILS, _LAST = 4, 10, 20, 30, 40, 50
"""Places: of what has no rank, of evaluations, of the user's own metrics, and of those after."""


def _rank(name: str) -> int:
    if name in ("reward", "rewards/total/mean"):
        return 0
    if name.startswith("rewards/") and not is_detail(name):
        return 1
    if name == "loss":
        return 2
    if "/" not in name and "." not in name and better_values(name) is not None:
        return 3
    return _OTHERS
