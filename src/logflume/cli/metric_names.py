"""What the name of a metric says: its place in a list, which values are better, and its importance.

Runs have metrics of any name, so the rules go by the words of a name, and a name that says nothing
keeps the order in which the metrics were logged.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, TypeAlias

__all__ = ["Better", "better_values", "is_bookkeeping", "position"]

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

_BOOKKEEPING = (
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
    "generation.rows",
    "generation.groups",
    "generation.reward_s/*",
    "generation.generate_s",
    "generation.quality/n",
    "*/nonfinite",
    "*.*/n",
    "gpu/*",
    "sampling/*",
)
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
def is_bookkeeping(name: str) -> bool:
    """Whether a metric is a counter, a duration or a detail of another metric.

    >>> is_bookkeeping("eval/runtime"), is_bookkeeping("my/own")
    (True, False)
    """
    own = name.removeprefix(_EVALUATION)
    return any(fnmatchcase(own, pattern) for pattern in _BOOKKEEPING)


def position(name: str) -> tuple[int, str]:
    """Return a sort key: the reward, the loss, then evaluations, then the others by group.

    Of evaluations, what is known to be good or bad comes first, and the rest is last. A group is
    what has the same text before the first `/` or `.`. Within a group, and for names without one, a
    stable sort keeps the order in which they were logged.

    >>> sorted(["kl", "x/a", "loss", "eval/loss", "rewards/f/mean", "reward"], key=position)
    ['reward', 'rewards/f/mean', 'loss', 'eval/loss', 'kl', 'x/a']
    """
    own = name.removeprefix(_EVALUATION)
    rank = _rank(own)
    if own != name:
        is_main = rank < _OTHERS or better_values(own) is not None
        return (10 + rank if is_main else 30), ""
    group = re.split(r"[/.]", name, maxsplit=1)[0] if re.search(r"[/.]", name) else ""
    return (rank, "") if rank < _OTHERS else (20, group)


_OTHERS = 4


def _rank(name: str) -> int:
    if name == "reward":
        return 0
    if name.startswith("rewards/") and not is_bookkeeping(name):
        return 1
    if name == "loss":
        return 2
    if "/" not in name and "." not in name and better_values(name) is not None:
        return 3
    return _OTHERS
