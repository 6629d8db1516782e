"""Rules for names of metrics: their order in a list, which values are better, which are details.

Metrics can have any name, so the rules look for words in it. Metrics without such words keep the
order in which they were logged.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, TypeAlias

from logflume.events.metric_names import find_metric, find_same

__all__ = ["EVALUATION", "Better", "better_values", "has_reward", "is_detail", "position"]

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
"""Words of names that don't measure success, whatever the other words are."""

_POLICY = frozenset({"policy", "pg", "actor"})
"""Words of losses whose gradient is that of a policy."""

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
"""Counters, durations, and minor metrics of trainers and of this package."""

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
"""Metrics of trainers besides the reward and the loss, the most informative first."""

EVALUATION = "eval/"
"""Prefix of the metrics of evaluations."""


@lru_cache(maxsize=4096)
def better_values(name: str, *, has_reward: bool = False) -> Better:
    """Return which values of a metric are better, by the last known word in its name.

    Args:
        name: Name of the metric.
        has_reward: Whether the run has a reward, as `has_reward` says. If so, its loss is that of
            a policy, for which neither higher nor lower values are better.

    Example:
        >>> better_values("eval/loss"), better_values("exact_match"), better_values("entropy")
        ('lower', 'higher', None)
        >>> better_values("loss", has_reward=True), better_values("actor/pg_loss")
        (None, None)
    """
    own = name.removeprefix(EVALUATION)
    metric, _ = find_metric(own) or (own, 0)
    words = _WORD.split(metric.lower())
    if metric == "loss" and (has_reward or not _POLICY.isdisjoint(_WORD.split(own.lower()))):
        return None
    if not _SPREAD.isdisjoint(words):
        return None
    if "rewards/" in name:
        return "higher"
    for word in reversed(words):
        if _HIGHER.fullmatch(word):
            return "higher"
        if _LOWER.fullmatch(word):
            return "lower"
    return None


def has_reward(names: Collection[str]) -> bool:
    """Whether a run with these metrics has a reward, under any name that trainers use.

    >>> has_reward(["loss", "rewards/total/mean"]), has_reward(["loss", "rewards/chosen"])
    (True, False)
    """
    return "reward" in names or find_same("reward", names) is not None


@lru_cache(maxsize=4096)
def is_detail(name: str) -> bool:
    """Whether a metric is a counter, a duration or a detail, which is shown on request only.

    >>> is_detail("eval/runtime"), is_detail("generation.quality/words/mean"), is_detail("my/own")
    (True, True, False)
    """
    own = name.removeprefix(EVALUATION)
    return any(fnmatchcase(own, pattern) for pattern in _DETAILS)


def position(name: str) -> tuple[int, str]:
    """Return a sort key: the reward, the loss, evaluations, the user's own, then the trainer's.

    Metrics of evaluations for which it is unknown which values are better come last. The user's own
    metrics are grouped by the text before the first `/` or `.`. A stable sort keeps the order in
    which the metrics of a group were logged.

    >>> sorted(["kl", "x/a", "loss", "eval/loss", "rewards/f/mean", "reward"], key=position)
    ['reward', 'rewards/f/mean', 'loss', 'eval/loss', 'x/a', 'kl']
    """
    own = name.removeprefix(EVALUATION)
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
"""Ranks: of other metrics, evaluations, the user's own, the trainer's, details, and the rest."""


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
