"""The names under which different trainers report the same metric.

One table covers TRL, verl, OpenRLHF, prime-rl and NeMo-RL, with the names in their sources. A
metric's own name here, the key of its row, is TRL's name if TRL reports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["METRIC_NAMES", "find_metric", "find_same", "names_environment"]

METRIC_NAMES: dict[str, tuple[str, ...]] = {
    "loss": ("policy_loss", "actor/pg_loss", "actor/loss", "loss/mean", "train_loss"),
    "value_loss": ("critic/vf_loss", "critic_loss", "vf_loss", "loss/value_avg"),
    "explained_variance": (
        "critic/vf_explained_var",
        "value/explained_variance",
        "vf_explained_var",
        "value_explained_variance",
    ),
    "grad_norm": ("actor/grad_norm", "actor_grad_norm", "optim/grad_norm", "gradient_norm"),
    "learning_rate": ("actor/lr", "actor_lr", "optim/lr", "lr"),
    "reward": (
        "critic/score/mean",
        "critic/rewards/mean",
        "reward/all/mean",
        "reward/mean",
        "reward_mean",
        "mean_reward",
        "rewards/mean",
        "rewards/total/mean",
        "objective/scores",
        "objective/rlhf_reward",
        "rollout/reward_mean",
        "train/agg/effective/agent/reward/mean",
    ),
    "reward_std": (
        "group_reward_std",
        "reward/std",
        "reward/all/std",
        "critic/score/std",
        "critic/rewards/std",
        "rollout/reward_std",
    ),
    "advantage_std": ("advantages/std", "critic/advantages/std", "adv_std"),
    "frac_reward_zero_std": ("rewards/total/frac_zero_std", "reward/frac_zero_std"),
    "frac_all_correct": (
        "solve_all",
        "batch/solve_all",
        "solve_all/all",
        "solve_all/all/mean",
        "train/agg/all/agent/solved_all",
    ),
    "frac_none_correct": (
        "solve_none",
        "batch/solve_none",
        "solve_none/all",
        "solve_none/all/mean",
        "train/agg/all/agent/solved_none",
    ),
    "accuracy": (
        "acc",
        "accuracy/mean",
        "critic/acc/mean",
        "train_accuracy",
        "correctness",
        "pass_rate",
        "solve_rate",
        "success_rate",
        "exact_match",
        "pass@1",
        "gold_reward",
    ),
    "kl": (
        "actor/kl_loss",
        "actor/reward_kl_penalty",
        "critic/kl",
        "kl_loss",
        "kl/mean",
        "kl_divergence",
        "ref_kl/all/mean",
        "kl_penalty",
    ),
    "objective/kl": (),
    "update_kl": ("actor/ppo_kl", "ppo_kl", "approx_kl", "policy/approxkl_avg"),
    "mismatch_kl": (
        "mismatch_kl/all/mean",
        "mismatch_kl/mean",
        "vllm_kl",
        "rollout_corr/kl",
        "rollout_corr/k3_kl",
        "gen_kl_error",
    ),
    "entropy": (
        "actor/entropy",
        "actor/entropy_loss",
        "entropy_loss",
        "entropy/all/mean",
        "entropy/mean",
        "policy_entropy",
        "policy/entropy_avg",
        "approx_entropy",
    ),
    "clip_ratio/region_mean": (
        "actor/pg_clipfrac",
        "ppo_clip_ratio",
        "clip_ratio",
        "clip_fraction",
        "clipfrac",
        "cispo_clip_ratio",
        "policy/clipfrac_avg",
        "is_masked/all/mean",
        "is_masked/mean",
    ),
    "sampling/importance_sampling_ratio/mean": (
        "rollout_corr/rollout_is_mean",
        "sampling_importance_ratio",
        "importance_ratio/all/mean",
        "importance_ratio/mean",
        "importance_ratio",
        "actor/ratio_mean",
        "ratio/mean",
        "ratio",
        "val/ratio",
        "probs_ratio",
    ),
    "sampling/sampling_logp_difference/mean": (),
    "training/rollout_probs_diff_mean": (),
    "token_mult_prob_error": (),
    "completions/mean_length": (
        "response_length/mean",
        "response_length",
        "completion_length",
        "completions/length",
        "seq_len/all/mean",
        "decode_len/all/mean",
        "mean_length",
        "mean_gen_tokens_per_sample",
        "rollout/response_length_mean",
        "train/agg/effective/agent/num_output_tokens/mean",
    ),
    "completions/max_length": (
        "response_length/max",
        "decode_len/all/max",
        "seq_len/all/max",
        "seq_len/max",
        "max_gen_tokens_per_sample",
    ),
    "completions/clipped_ratio": (
        "response_length/clip_ratio",
        "is_truncated/all/mean",
        "is_truncated/mean",
        "truncated_rate",
        "rollout/truncated_rate",
        "truncated",
        "response_clip_ratio",
        "truncation_rate",
        "quality/truncated/mean",
        "train/agg/effective/agent/is_truncated/mean",
    ),
    "step_time": (
        "timing_s/step",
        "perf/time_per_step",
        "timing/step_total",
        "time/step",
        "perf/step_s",
        "timing/train/total_step_time",
    ),
    "num_tokens": (),
    "tokens_per_step": ("perf/total_num_tokens",),
    "throughput": (
        "perf/throughput",
        "tokens_per_second",
        "train_tokens_per_second",
        "perf/throughput_per_gpu",
        "samples_per_second",
    ),
    "tools/call_frequency": ("tool_call_counts/mean",),
    "tools/failure_frequency": ("tool_failure_rate", "tools/error_rate"),
    "rollout_errors": ("error/mean", "error/all/mean", "train/agg/all/has_error/mean"),
    "staleness": (
        "off_policy/mean",
        "off_policy_level/all/mean",
        "sample/staleness_mean",
        "dispatcher/off_policy/mean",
        "batch/off_policy_level/mean",
        "avg_trajectory_age",
        "scheduler/async_level",
        "batch/async_level",
    ),
    "repetition": ("quality/repetition/mean", "repetition_rate", "repetition_ratio"),
}
"""Each metric's own name, and its other names in order of preference.

A score comes before the reward that is left of it after the penalty on the KL divergence.
"""

_BY_NAME = {
    name: (metric, preference)
    for metric, others in METRIC_NAMES.items()
    for preference, name in enumerate((metric, *others))
}

_PREFIXES = ("train/", "training/")

_FUNCTION = re.compile(r"rewards?/(?P<function>[^/]+(?:/[^/]+)*?)(?:/(?P<statistic>mean|std))?")
_NO_FUNCTIONS = frozenset(
    {"chosen", "rejected", "margins", "accuracies", "total", "all", "mean", "std", "min", "max"}
)
"""What trainers report under `rewards/` that is not a reward function (DPO, for example)."""

_ENVIRONMENT = re.compile(
    r"reward/[^/]+/mean|(?!agg/)(?P<environment>[^/]+)/effective/[^/]+/reward/mean"
)
"""The mean reward of one environment, as prime-rl reports it."""

_STATISTICS = ("/min", "/max", "/n", "/frac_zero_std")


@lru_cache(maxsize=4096)
def find_metric(name: str) -> tuple[str, int] | None:
    """Return the own name of a reported metric, and the name's preference; None if unknown.

    If a report has several names of one metric, that with the lowest preference wins. The mean and
    the standard deviation of a reward function are `rewards/<function>/mean` and `/std`. The
    rewards of environments have such names as well.

    >>> find_metric("actor/grad_norm"), find_metric("train/loss")
    (('grad_norm', 1), ('loss', 0))
    >>> find_metric("rewards/format/mean"), find_metric("rewards/margins")
    (('rewards/format/mean', 0), None)
    """
    for prefix in _PREFIXES:
        if name not in _BY_NAME:
            name = name.removeprefix(prefix)
    if name in _BY_NAME:
        return _BY_NAME[name]
    match = _FUNCTION.fullmatch(name)
    if match is None and (of_environment := _ENVIRONMENT.fullmatch(name)) is not None:
        return f"rewards/{of_environment['environment']}/mean", 0
    if match is None or match["function"] in _NO_FUNCTIONS or name.endswith(_STATISTICS):
        return None
    statistic = match["statistic"]
    return f"rewards/{match['function']}/{statistic or 'mean'}", 0 if statistic else 1


@lru_cache(maxsize=4096)
def names_environment(name: str) -> bool:
    """Whether a reported name may be that of the mean reward of an environment.

    >>> names_environment("reward/code/mean"), names_environment("rewards/format/mean")
    (True, False)
    """
    return _ENVIRONMENT.fullmatch(name.removeprefix("train/")) is not None


def find_same(name: str, names: Iterable[str]) -> str | None:
    """Return which of some names means the same metric as `name`; None if none does.

    Without a total, the rewards of the first function stand for the reward.

    >>> find_same("lr", ["loss", "learning_rate"]), find_same("reward", ["rewards/format/mean"])
    ('learning_rate', 'rewards/format/mean')
    """
    if (wanted := find_metric(name)) is None:
        return None
    known = [(other, found) for other in names if other != name and (found := find_metric(other))]
    same = [(preference, other) for other, (metric, preference) in known if metric == wanted[0]]
    if wanted[0] == "reward":
        means = [other for other, (metric, _) in known if re.fullmatch("rewards/.*/mean", metric)]
        same += [(len(_BY_NAME), other) for other in means[:1]]
    return min(same)[1] if same else None
