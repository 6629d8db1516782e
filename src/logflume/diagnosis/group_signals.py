"""Problems of groups and reward functions: no signal, or a signal from one function only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise

from logflume.diagnosis.detector import Detector, has_gained, state
from logflume.diagnosis.error_rate import BLOCK_REPORTS, CORRELATION_FACTOR, critical_value
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.reward_batches import CORRELATION, VARIANCE_SHARE
from logflume.diagnosis.scale import find_solved, position, solved
from logflume.diagnosis.series import Series, median

__all__ = [
    "AntiCorrelatedFunctions",
    "ConstantFunction",
    "DominatingFunction",
    "GroupsWithoutSignal",
]

_TOO_EASY = "groups_too_easy"
_TOO_HARD = "groups_too_hard"
_CLEAR_ERRORS = 2.0

_WHAT = {_TOO_EASY: "too easy", _TOO_HARD: "too hard"}
_CAUSE = {
    _TOO_EASY: "The policy solves these problems every time.",
    _TOO_HARD: "The policy never solves these problems, or what it generates is never accepted.",
}
_TRY_NEXT = {
    _TOO_EASY: (
        "Remove problems that are always solved from the dataset, or add harder ones; filter such "
        "groups (`filter_groups` in verl)."
    ),
    _TOO_HARD: (
        "Read completions of these groups; remove problems that are never solved, or add easier "
        "ones; raise `num_generations` or `temperature`; give a reward for parts of a solution."
    ),
}


class GroupsWithoutSignal(Detector):
    """In most groups, all completions have the same reward, so nothing is learned from them.

    The mean share of such groups over 10, 20, 30 or 50 reports is at least `share`, and has risen
    by a quarter from its lowest block; or it has been that high from the start for 350 steps (for
    150 steps if it was nearly 1), and at least 80 reports. At the end of training, 80 reports
    are enough: the learning rate has decayed to a tenth, 90% of the steps are made, or the run is
    finished. The mean of reports with few groups is uncertain, so it has to exceed `share` less
    0.05 by four standard errors. If the share isn't reported, it is at least the share of the
    reports whose mean spread is zero.

    Whether they are too easy or too hard is known from the shares of groups with right and with
    wrong answers only; without these, from the function for correctness, the completions that are
    known to be correct, or the reward. Three of four of these groups, or of the answers, are right
    or wrong; in between, it is neither. Nor are problems called too hard when the policy has solved
    such problems before: 60% of its best level is lost.

    Unless the groups are too easy, a gain excuses the high share: more correct answers (or more
    reward, where correctness is unknown) than before the rise; without a rise, more than at the
    start or 100 reports before, because sparse rewards begin like this. Where half of the answers
    are right, it has to be a fifth more. Groups that are too easy have the severity `info`, because
    training that has solved its problems ends like this.

    Args:
        share: Share of such groups, 0 to 1.
    """

    signal = "groups_without_signal"
    variants = (_TOO_EASY, _TOO_HARD)
    reads = ("frac_reward_zero_std", "frac_all_correct", "frac_none_correct")
    triggers = 3
    judges_end = True
    meaning = (
        "In most groups all completions have the same reward. Named `groups_too_easy` or "
        "`groups_too_hard` where it is known which."
    )
    cause = "The problems are too easy or too hard for the policy, or its answers are all the same."
    try_next = (
        "Filter the dataset by the share of solved completions; raise `num_generations` or "
        "`temperature`; filter such groups (`filter_groups` in verl)."
    )
    literature = "Yu et al. 2025, DAPO (dynamic sampling), arXiv:2503.14476"

    _REPORTS = (10, 20, 30, 50)
    _GAIN = 0.05
    _RECENT_BLOCKS = 10
    _ERRORS = 4.0
    _MARGIN = 0.05
    _RISE = 0.25
    _FROM_START_BLOCKS = 35
    _MIN_BLOCKS = 8
    _NEARLY_ALL = 0.98
    _NEARLY_ALL_BLOCKS = 15
    _MOST = 0.75
    _HALF = 0.5
    _LARGE_GAIN = 0.2
    _LOST = 0.6
    _CAUSE_OF_LOSS = (
        "The policy solved such problems before: it has degenerated, or what checks its answers is "
        "broken; or the problems have become much harder."
    )
    _TRY_AFTER_LOSS = "Read completions from before and after; look at what was found first."

    share: float = 0.65

    def evaluate(self, history: History) -> Evidence | None:
        """Look at the share of groups without a spread, then at all-right and all-wrong groups."""
        for metric, kind in zip(self.reads, (None, _TOO_EASY, _TOO_HARD), strict=True):
            found = self._evaluate(history, metric, kind)
            if found is not None:
                return found
        return None

    def _evaluate(self, history: History, metric: str, kind: str | None) -> Evidence | None:
        series = history[metric]
        share = self._certain_share(series)
        if share is None:
            return None
        lowest = min(block.mean for block in series.blocks)
        has_risen = share - lowest >= self._RISE and series.is_significant(share - lowest)
        is_all = lowest >= self._NEARLY_ALL
        enough = self._NEARLY_ALL_BLOCKS if is_all else self._FROM_START_BLOCKS
        blocks = 0 if history.is_ending else enough / history.stride
        if not has_risen and len(series.blocks) < max(self._MIN_BLOCKS, blocks):
            return None
        place = None if kind else self._place(history)
        kind = kind or self._kind_at(place)
        if kind != _TOO_EASY:
            least = self._GAIN if place is None or place < self._HALF else self._LARGE_GAIN
            answers = solved(history)
            since = series.blocks[-min(self._RECENT_BLOCKS, len(series.blocks))].end
            if has_risen:
                since = series.crossing((lowest + share) / 2, is_rise=True)
            elif _has_begun(answers):
                return None
            if has_gained(answers, since, share=least):
                return None
        is_lost = kind == _TOO_HARD and has_risen and self._is_lost(solved(history))
        if is_lost:
            kind = self.signal
        reason = f": the problems are {_WHAT[kind]} to learn from" if kind in _WHAT else ""
        return Evidence(
            f"In {share:.0%} of the groups, all completions have the same reward{reason}.",
            history.name(metric),
            share,
            lowest,
            self.share,
            signal=kind,
            severity="info" if kind == _TOO_EASY else None,
            cause=self._CAUSE_OF_LOSS if is_lost else _CAUSE.get(kind),
            try_next=self._TRY_AFTER_LOSS if is_lost else _TRY_NEXT.get(kind),
        )

    def _is_lost(self, answers: Series) -> bool:
        """Whether the answers have lost most of their best level."""
        if answers.top is None:
            return False
        return answers.blocks[-1].level < (1 - self._LOST) * answers.top.level

    def _certain_share(self, series: Series) -> float | None:
        """Return the mean share of the fewest reports that make it certain; None if none do."""
        if series.highest > 1:  # some report the number of such groups
            return None
        for reports in self._REPORTS:
            share = series.recent_mean(reports)
            if not share >= self.share:  # NaN: too few reports
                continue
            # The spread of few reports with few groups may be zero by chance.
            usual = median([block.std for block in series.blocks])
            error = max(series.recent_error(reports), usual / math.sqrt(reports))
            if share - self._ERRORS * error >= self.share - self._MARGIN:
                return share
        return None

    def _place(self, history: History) -> float | None:
        """Return how many of the answers are right, 0 to 1, as far as it is known."""
        _, all_correct, none_correct = (history[metric].mean(2) for metric in self.reads)
        if all_correct != none_correct and all_correct + none_correct > 0:  # False for NaN
            return all_correct / (all_correct + none_correct)
        metric = find_solved(history)
        place = position(history, metric, blocks=2)
        if place is None:
            metric = "reward"
            place = position(history, metric, blocks=2)
        rewards = history[metric]
        if place is None and rewards.top is not None and rewards.top.level > 0:
            place = rewards.blocks[-1].level / rewards.top.level
        return place

    def _kind_at(self, place: float | None) -> str:
        """Return what the groups are, given how many of their answers are right, 0 to 1."""
        if place is None or 1 - self._MOST < place < self._MOST:
            return self.signal
        return _TOO_EASY if place >= self._MOST else _TOO_HARD


def _has_begun(series: Series) -> bool:
    """Whether the mean is higher in the last third of training than in the first one."""
    third = len(series.blocks) // 3
    if not third:
        return False
    # Means, because the median of rewards that are usually zero is zero.
    before = sum(block.mean for block in series.blocks[:third]) / third
    value = sum(block.mean for block in series.blocks[-third:]) / third
    return value - before > series.error(third, third) / CORRELATION_FACTOR


class ConstantFunction(Detector):
    """A reward function returns the same value for every completion, while others vary.

    From the start: the function is constant for `reports` steps and at least half as many reports,
    with a value other than 1, which is that of a function that is always satisfied. Later: it is
    constant for a fifth of that number of reports, below the level of its highest block; or between
    its lowest and its highest mean, where no policy can hold a function that varies. A function
    that reaches its maximum is not reported.

    A function that no longer applies to any completion, for as many reports, is reported as well if
    it had values in nine of ten reports before and no other function has begun since.

    Args:
        reports: Number of reports, of one step each.
    """

    signal = "constant_function"
    severity = "info"
    reads = ("reward",)
    returns = False
    meaning = "A reward function is constant and doesn't influence the training."
    cause = "It is broken (a caught exception, a pattern that never matches), or always satisfied."
    try_next = "Call it with a few completions; remove it if it is always satisfied."

    _SATISFIED = 1.0
    _MARGIN = 0.05
    _USUAL_SHARE = 0.9

    reports: int = 100
    _last_seen: dict[str, tuple[int, int, bool]] = state(dict)

    def evaluate(self, history: History) -> Evidence | None:
        """Look at how long each function has been constant, or has had no value."""
        series = {name: history[f"rewards/{name}/mean"] for name in history.functions}
        return self._constant(history, series) or self._vanished(history, series)

    def _constant(self, history: History, series: Mapping[str, Series]) -> Evidence | None:
        if not any(one.constant == 1 for one in series.values()):
            return None
        for name, one in series.items():
            if one.constant < self.reports // 5:
                continue
            spread = history[f"rewards/{name}/std"]
            if spread.count and spread.last > 0:
                continue
            is_from_start = (
                one.constant == one.count
                and one.constant >= max(self.reports / 2, self.reports / history.stride)
                and one.last != self._SATISFIED
            )
            usual = one.top.level if one.top is not None else one.last
            margin = self._MARGIN * (one.highest - one.lowest)
            is_low = one.last < min(usual, 0.9 * one.highest)
            is_inside = one.lowest + margin < one.last < one.highest - margin
            has_broken = one.constant < one.count and (is_low or is_inside)
            if is_from_start or has_broken:
                metric = history.name(f"rewards/{name}/mean")
                varied = f", after up to {one.highest:.3g}" if has_broken else ""
                return Evidence(
                    f"{name} has been {one.last:.3g} for all completions of {one.constant} "
                    f"reports{varied}.",
                    metric,
                    one.last,
                    usual if has_broken else one.last,
                    fields={"function": name},
                )
        return None

    def _vanished(self, history: History, series: Mapping[str, Series]) -> Evidence | None:
        reports = history["reward"].count
        missing = {}
        for name, one in series.items():
            count, seen, was_usual = self._last_seen.get(name, (0, 0, False))
            if count != one.count:
                # The reports since then may include some after the last value.
                was_usual = count >= self._USUAL_SHARE * seen > 0
                seen = reports
                self._last_seen[name] = (one.count, seen, was_usual)
            if was_usual:
                missing[name] = reports - seen
        if 0 not in missing.values():
            return None
        for name, count in missing.items():
            others = [other for other in series if not missing.get(other)]
            has_begun = any(series[other].count <= count + BLOCK_REPORTS for other in others)
            if count >= self.reports // 5 and not has_begun:
                return Evidence(
                    f"{name} has had no value for any completion of {count} reports, after values "
                    f"in the reports before.",
                    history.name(f"rewards/{name}/mean"),
                    fields={"function": name},
                )
        return None


class DominatingFunction(Detector):
    """One function determines the reward although other functions vary.

    From the lists of `reward` events, which have the value of each completion, the share is a
    function's mean share of the variance over 50 batches (see `measure_reward_batch`). From the
    means and standard deviations of the functions, it is the variance of a function divided by the
    sum of all variances. Another function has to vary: its standard deviation exceeds 40% of its
    mean; and if it is a penalty, which is never positive, its mean exceeds 40% of the standard
    deviation. A function that nearly all completions satisfy, or a penalty that few get, is
    expected to leave the variance to the others.

    Args:
        share: Share of the variance at which a function dominates, 0 to 1.
    """

    signal = "dominating_function"
    severity = "info"
    reads = (VARIANCE_SHARE, "reward")
    triggers = 2
    meaning = "One reward function accounts for the whole variance of the reward."
    cause = "The functions have very different scales."
    try_next = "Set `reward_weights`, or bring the functions to the same scale."
    shows = "highest rewards of the last completions"

    _BLOCKS = 5
    _ACTIVE = 0.4

    share: float = 0.995

    def evaluate(self, history: History) -> Evidence | None:
        """Look at the shares of the last five blocks."""
        prefix = f"{VARIANCE_SHARE}/"
        shares = {
            metric.removeprefix(prefix): history[metric].mean(self._BLOCKS)
            for metric in history.metrics(prefix)
        }
        shares = shares or self._shares_of_spreads(history)
        name = max(shares, key=lambda name: shares[name], default=None)
        if name is None or not shares[name] >= self.share:  # NaN: too few blocks
            return None
        return Evidence(
            f"{name} accounts for {shares[name]:.1%} of the variance of the reward: the other "
            f"functions vary, but have practically no influence on it.",
            None,
            shares[name],
            None,
            self.share,
            fields={"function": name},
        )

    def _shares_of_spreads(self, history: History) -> dict[str, float]:
        variances: dict[str, float] = {}
        active = set()
        for name in history.functions:
            spreads, means = history[f"rewards/{name}/std"], history[f"rewards/{name}/mean"]
            if len(spreads.blocks) < self._BLOCKS or len(means.blocks) < self._BLOCKS:
                continue
            spread, mean = spreads.mean(self._BLOCKS), means.mean(self._BLOCKS)
            variances[name] = spread * spread
            is_rare = means.highest <= 0 and -mean < self._ACTIVE * spread
            if spread > self._ACTIVE * abs(mean) and not is_rare:
                active.add(name)
        total = sum(variances.values())
        largest = max(variances, key=lambda name: variances[name], default=None)
        if not active - {largest} or not total > 0:
            return {}
        return {name: variance / total for name, variance in variances.items()}


class AntiCorrelatedFunctions(Detector):
    """Two reward functions work against each other.

    From the lists of `reward` events, which have the value of each completion, the correlation is
    the mean (Pearson) correlation of two functions within groups, over 50 batches. From the means
    of the functions, it is the correlation of their changes from report to report, over 40 to 100
    reports, and must be more negative than chance explains. Changes are compared, not levels,
    because functions with opposite trends need not be correlated. The means of a batch also depend
    on how hard its problems are, so two functions that rise together are not reported: since the
    first half of training, the sum of their gains exceeds two standard errors, and neither has
    fallen by one.

    Args:
        correlation: The correlation below which two functions are reported, -1 to 0.
    """

    signal = "anti_correlated_functions"
    reads = (CORRELATION, "reward")
    triggers = 2
    meaning = "What one reward function rewards, another one penalizes."
    cause = "The functions contradict each other, such as a bonus for length and one for brevity."
    try_next = "Remove one of them, or grant it on a condition; set `reward_weights`."

    _BLOCKS = 5
    _MIN_CHANGES = 40
    _INDEPENDENT = 2 / 3  # of successive changes, which share a value
    _FORGET = 0.9

    correlation: float = -0.5
    _sums: dict[tuple[str, str], list[float]] = state(dict)

    def evaluate(self, history: History) -> Evidence | None:
        """Look at the lowest correlation."""
        prefix = f"{CORRELATION}/"
        correlations = {
            tuple(metric.removeprefix(prefix).split("/", 1)): history[metric].mean(self._BLOCKS)
            for metric in history.metrics(prefix)
        }
        if not correlations and "reward" in history.completed:
            correlations = dict(self._correlations_of_changes(history))
        pair = min(correlations, key=lambda pair: correlations[pair], default=None)
        if pair is None or not correlations[pair] <= self.correlation:
            return None
        first, second = pair
        return Evidence(
            f"The rewards of {first} and {second} have a correlation of {correlations[pair]:.2f}: "
            f"the two functions work against each other.",
            None,
            correlations[pair],
            None,
            self.correlation,
            fields={"function": first, "other_function": second},
        )

    def _correlations_of_changes(self, history: History) -> Iterator[tuple[tuple[str, ...], float]]:
        """Add the changes of the last block to the sums, and yield the correlations."""
        changes = {}
        for name in history.functions:
            values = history[f"rewards/{name}/mean"].recent(11)
            if len(values) == 11:
                changes[name] = [b - a for a, b in pairwise(values)]
        for first, second in combinations(sorted(changes), 2):
            sums = self._sums.setdefault((first, second), [0.0] * 4)
            pairs = list(zip(changes[first], changes[second], strict=True))
            news = (
                sum(a * b for a, b in pairs),
                sum(a * a for a, _ in pairs),
                sum(b * b for _, b in pairs),
                len(pairs),
            )
            sums[:] = [self._FORGET * old + new for old, new in zip(sums, news, strict=True)]
            scale = math.sqrt(sums[1]) * math.sqrt(sums[2])
            if sums[3] >= self._MIN_CHANGES and scale > 0:
                correlation = sums[0] / scale
                # Fisher's transformation makes it normal, with this standard error.
                error = 1 / math.sqrt(self._INDEPENDENT * sums[3] - 3)
                if math.atanh(max(-0.999999, min(correlation, 0.0))) > -critical_value(200) * error:
                    continue
                means = (history[f"rewards/{name}/mean"] for name in (first, second))
                if not _rise_together(*means):
                    yield (first, second), correlation


def _rise_together(first: Series, second: Series) -> bool:
    """Whether two levels have risen since the first half of training, at least one clearly."""
    gains = [_gain_in_errors(first), _gain_in_errors(second)]
    return sum(gains) > _CLEAR_ERRORS and min(gains) > -1


def _gain_in_errors(series: Series) -> float:
    """Return the gain from the first half of the blocks to the second, in standard errors."""
    half = len(series.blocks) // 2
    if not half:
        return 0.0
    gain = series.mean(half) - series.mean(half, before=len(series.blocks) - half)
    error = series.error(half, half) / CORRELATION_FACTOR
    return gain / error if error > 0 else 0.0
