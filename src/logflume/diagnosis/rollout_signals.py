"""Problems that completions show: repetition, equal answers, failing tools, old weights."""

from __future__ import annotations

import math

from logflume.diagnosis.detector import (
    Change,
    Detector,
    has_gained,
    high_from_start,
    pays_off,
    risen,
)
from logflume.diagnosis.error_rate import CORRELATION_FACTOR
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.scale import find_solved, solved
from logflume.diagnosis.series import Series

__all__ = [
    "DuplicateAnswers",
    "LanguageMixing",
    "Repetition",
    "RolloutErrors",
    "Staleness",
    "ToolCallsGrowth",
    "ToolFailures",
    "ToolsAbandoned",
]


class Repetition(Detector):
    """Many completions repeat themselves.

    A completion repeats itself if it ends in a loop, or if half of its word n-grams are repeated.
    The median share of such completions over five batches has risen by a fifth from its lowest
    block and is at least `share`; or it has been at least twice `share` from the start, for 60
    steps and at least 20 batches. At the end of training, 20 batches are enough. The same
    applies to the mean share of repeated n-grams over ten reports, where it is reported.

    Args:
        share: Share of such completions, or mean share of repeated n-grams, 0 to 1.
    """

    signal = "repetition"
    reads = ("looping", "repetition")
    triggers = 2
    each_report = True
    judges_end = True
    meaning = "Many completions end in a loop, or repeat the same words."
    cause = "A reward function pays for length or for the repeated text, or the policy degenerates."
    try_next = (
        "Read the named completions; set `repetition_penalty`, or a penalty on repeated n-grams; "
        "raise `beta`."
    )
    literature = "Welleck et al. 2020, arXiv:1908.04319; Holtzman et al. 2020, arXiv:1904.09751"
    shows = "ends in a loop, or half of its word n-grams are repeated"

    _RISE = 0.2

    share: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last batches with the lowest block."""
        for metric, reports, what in (
            ("looping", 5, "completions that repeat themselves"),
            ("repetition", 10, "repeated n-grams"),
        ):
            series = history[metric]
            if series.last < self.share:
                continue
            change = risen(series, level=self.share, rise=self._RISE, reports=reports)
            change = change or high_from_start(history, metric, 2 * self.share)
            if change is not None:
                return Evidence(
                    f"The share of {what} went from {change.before:.0%} to {change.value:.0%}.",
                    "model_output" if metric == "looping" else history.name(metric),
                    change.value,
                    change.before,
                    self.share,
                )
        return None

    def current_value(self, history: History, evidence: Evidence) -> float:
        """Return the share of completions that repeat themselves, or of repeated n-grams."""
        if evidence.metric == "model_output":
            return history["looping"].level(5)
        return super().current_value(history, evidence)


class DuplicateAnswers(Detector):
    """Most completions of a group have the same text, without a gain in reward.

    Texts of 8 characters and more are compared within a group. The median share of copies over ten
    batches is at least `share`, and has risen by a third from its lowest block; or that of texts of
    80 characters and more has been 1.5 times `share` since the start, for 15 batches. Shorter texts
    are labels, numbers and the like, which are equal in healthy training runs as well. If the share
    has been 95% since the start, a gain in reward doesn't rule it out, nor if fewer answers are
    correct.

    Args:
        share: Share of completions whose text occurs again in their group, 0 to 1.
    """

    signal = "duplicate_answers"
    reads = ("duplicates",)
    each_report = True
    meaning = "The completions of a group are copies of each other, so nothing is compared."
    cause = "The policy has collapsed to one answer per prompt, or sampling is nearly greedy."
    try_next = "Raise `temperature`; check `top_p`, `top_k` and the seed of the sampler."
    literature = "Kirk et al. 2024, arXiv:2310.06452"
    shows = "has the same text as another completion of its group"

    _RISE = 1 / 3
    _GAIN = 0.1
    _FROM_START_BATCHES = 15
    _FROM_START_TIMES = 1.5
    _NEARLY_ALL = 0.95

    share: float = 0.6

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten batches with the lowest block."""
        series = history["duplicates"]
        if series.last < self.share:
            return None
        copies = "of the completions duplicate another one of their group"
        change = risen(series, level=self.share, rise=self._RISE, reports=10)
        if change is not None:
            lowest = change.before
            varied = series.crossing((lowest + change.value) / 2, is_rise=True)
            found = Evidence(
                f"{change.value:.0%} {copies}, up from {change.before:.0%}.",
                "model_output",
                change.value,
                change.before,
                self.share,
            )
        else:
            series, limit = history["duplicates/long"], self._FROM_START_TIMES * self.share
            if series.count < self._FROM_START_BATCHES or series.bottom is None:
                return None
            varied, lowest = series.blocks[0].end, series.bottom.level
            value = series.level(10)
            if min(lowest, value) < limit:
                return None
            found = Evidence(
                f"{value:.0%} {copies}, and have since the start of training.",
                "model_output",
                value,
                None,
                limit,
            )
        is_excused = lowest < self._NEARLY_ALL and pays_off(history, varied, share=self._GAIN)
        return None if is_excused else found

    def current_value(self, history: History, evidence: Evidence) -> float:  # noqa: ARG002
        """Return the share of completions that are copies."""
        return history["duplicates"].level(10)


class LanguageMixing(Detector):
    """Completions drift into another language than their prompts, as far as the script shows it.

    A completion counts if one in twenty of its first 500 characters is a letter of a script other
    than Latin and Greek, and its prompt has fewer of them. The median share of such completions
    over ten batches is at least `share`, and has risen by two thirds of that from its lowest block.

    Args:
        share: Share of such completions, 0 to 1.
    """

    signal = "language_mixing"
    reads = ("mixing",)
    each_report = True
    meaning = "Completions drift into another language than that of their prompts."
    cause = "No reward function cares about the language, or one prefers another language."
    try_next = "Add a reward for the language of the prompt; raise `beta`."
    literature = "DeepSeek-AI 2025, DeepSeek-R1 (language mixing), arXiv:2501.12948, section 2.3"
    shows = "has letters of another script than its prompt"

    _RISE = 2 / 3

    share: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten batches with the lowest block."""
        rise = self._RISE * self.share
        change = risen(history["mixing"], level=self.share, rise=rise, reports=10)
        if change is None:
            return None
        return Evidence(
            f"The share of completions in another script than that of their prompts rose from "
            f"{change.before:.0%} to {change.value:.0%}.",
            "model_output",
            change.value,
            change.before,
            self.share,
        )

    def current_value(self, history: History, evidence: Evidence) -> float:  # noqa: ARG002
        """Return the share of such completions."""
        return history["mixing"].level(10)


_RISE_OF_FAILURES = 0.2


def _failing(history: History, metric: str, share: float) -> Change | None:
    """Return the change of a share of failures that has risen, or that has always been high."""
    change = risen(history[metric], level=share, rise=_RISE_OF_FAILURES, reports=10)
    return change or high_from_start(history, metric, 2 * share)


class ToolFailures(Detector):
    """More and more tool calls fail.

    The share of failed calls is at least `share` and has risen by a fifth from its lowest block; or
    it has been twice `share` from the start, for 60 steps and at least 20 reports. At the end of
    the training, 20 reports are enough.

    Args:
        share: Share of the calls that fail, 0 to 1.
    """

    signal = "tool_failures"
    reads = ("tools/failure_frequency", "rollouts/tool_failures")
    triggers = 2
    each_report = True
    judges_end = True
    meaning = "Many tool calls fail."
    cause = "The tool or its server is broken or overloaded, or the policy calls it incorrectly."
    try_next = "Read the failed calls; check timeouts and limits of the tool's server."
    shows = "has a tool call that failed"

    share: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the lowest block."""
        for metric in self.reads:
            if (change := _failing(history, metric, self.share)) is not None:
                return Evidence(
                    f"The share of tool calls that fail went from {change.before:.0%} to "
                    f"{change.value:.0%}.",
                    history.name(metric),
                    change.value,
                    change.before,
                    self.share,
                )
        return None


class RolloutErrors(Detector):
    """More and more rollouts end with an error.

    The share of such rollouts is at least `share` and has risen by a fifth from its lowest block;
    or it has been twice `share` from the start, for 60 steps and at least 20 reports. At the end of
    the training, 20 reports are enough. A few rollouts of a sandbox always fail.

    Args:
        share: Share of the rollouts that end with an error, 0 to 1.
    """

    signal = "rollout_errors"
    reads = ("rollout_errors",)
    judges_end = True
    meaning = "Many rollouts end with an error, so that they are lost or count as failed."
    cause = "The environment, its sandbox or the inference server is broken or overloaded."
    try_next = (
        "Read the errors in the environment's log; check its timeouts and limits, and lower the "
        "number of concurrent rollouts."
    )

    share: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the lowest block."""
        (metric,) = self.reads
        if history[metric].highest > 1:  # a count, or an error of another kind
            return None
        if (change := _failing(history, metric, self.share)) is None:
            return None
        return Evidence(
            f"The share of rollouts that end with an error went from {change.before:.0%} to "
            f"{change.value:.0%}.",
            history.name(metric),
            change.value,
            change.before,
            self.share,
        )


class ToolCallsGrowth(Detector):
    """Completions have several times as many tool calls, but no more problems are solved.

    Each of the last two blocks of the mean number of calls is at least `factor` times that of the
    lowest block, at least `calls`, and higher by more than noise. Fewer calls are no loop: a policy
    learns to call a tool before it learns to use it. What is solved (correct answers; the reward,
    without a function for correctness) is compared with its level when there were half as many
    calls: its gain, including two standard errors of independent reports, is below a tenth of it,
    and no block since then had such a gain, which harder problems or a broken tool may undo.
    A gain in reward alone doesn't rule it out, because calls may be paid for.

    Args:
        factor: The growth.
        calls: The minimum number of calls of a completion.
    """

    signal = "tool_calls_growth"
    reads = ("tools/call_frequency", "rollouts/tool_calls")
    triggers = 2
    meaning = "Completions call tools repeatedly without solving more problems."
    cause = "A reward function pays for each call, or the policy repeats calls that don't help."
    try_next = (
        "Grant a reward for calls only with a correct answer; limit the calls of a completion "
        "(`max_tool_calling_iterations` in TRL, `max_assistant_turns` in verl)."
    )
    shows = "highest rewards of the last completions"

    _MAX_GAIN = 0.1

    factor: float = 3.0
    calls: float = 3.0

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last two blocks with the lowest one."""
        for metric in self.reads:
            if (found := self._evaluate(history, metric, history[metric])) is not None:
                return found
        return None

    def _evaluate(self, history: History, metric: str, calls: Series) -> Evidence | None:
        bottom, blocks = calls.bottom, calls.blocks[-2:]
        if bottom is None or len(calls.blocks) < 3:
            return None
        before, value = bottom.level, calls.mean(2)
        limit = max(self.calls, self.factor * before)
        if min(block.level for block in blocks) < limit:
            return None
        if not calls.is_significant(value - before, 2):
            return None
        correct = solved(history)
        fewer = calls.crossing(value / 2, is_rise=True)
        # One block, because more of them may be from before the tool was learned.
        solved_before, solved_now = correct.mean_at(fewer, blocks=1), correct.mean(2)
        # The best level since, because harder problems or a broken tool may undo a gain.
        best = max((block.level for block in correct.blocks if block.end > fewer), default=math.nan)
        gain = max(best, solved_now + 2 * correct.error(2, 1) / CORRELATION_FACTOR) - solved_before
        if not gain < self._MAX_GAIN * abs(solved_before):  # NaN: not reported
            return None
        name = history.name(find_solved(history))
        return Evidence(
            f"A completion has {value:.3g} tool calls, after {before:.2g} before; since there were "
            f"half as many, {name} went from {solved_before:.3g} to {solved_now:.3g}.",
            history.name(metric),
            value,
            before,
            limit,
        )


class ToolsAbandoned(Detector):
    """The policy hardly calls its tools any more, and doesn't solve more without them.

    The median number of calls of a completion over ten reports is below `share` of the highest
    block, which had at least one call in five completions, and lower by more than noise. A gain of
    a fifth in correct answers (or in reward, without a function for correctness) since the calls
    were half as many is an excuse: the policy can do without them. A gain in reward alone is none,
    because calls may have a price.

    Args:
        share: Share of the most calls that a completion had.
    """

    signal = "tools_abandoned"
    reads = ("tools/call_frequency", "rollouts/tool_calls")
    triggers = 2
    each_report = True
    meaning = "The policy has stopped calling its tools, although it doesn't solve more problems."
    cause = "Calls are penalized, fail, or make completions too long, and answers pay without them."
    try_next = (
        "Lower the penalty on calls; look at failed calls and truncation; grant a reward for calls "
        "that help."
    )
    shows = "highest rewards of the last completions"

    _MIN_CALLS = 0.2
    _GAIN = 0.2

    share: float = 0.1

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the highest block."""
        for metric in self.reads:
            if (found := self._evaluate(history, metric, history[metric])) is not None:
                return found
        return None

    def _evaluate(self, history: History, metric: str, calls: Series) -> Evidence | None:
        top = calls.top
        if top is None or top.level < self._MIN_CALLS or calls.last > self.share * top.level:
            return None
        value, limit = calls.level(10), self.share * top.level
        if value > limit or not calls.is_significant(top.level - value):
            return None
        used = calls.crossing(top.level / 2, is_rise=False)
        if has_gained(solved(history), used, share=self._GAIN):
            return None
        return Evidence(
            f"A completion has {value:.2g} tool calls, after {top.level:.2g} before.",
            history.name(metric),
            value,
            top.level,
            limit,
        )


class Staleness(Detector):
    """Completions were generated by weights that are many steps old.

    Args:
        steps: Mean number of steps; it must also be three times that of the lowest block.
    """

    signal = "staleness"
    reads = ("staleness",)
    each_report = True
    meaning = "Training uses completions of a policy that is many steps old."
    cause = "Generation is too slow for training, or weights are no longer synchronized."
    try_next = (
        "Lower `max_async_level` (prime-rl), `max_staleness` (TRL); add generation workers; check "
        "the synchronization of weights."
    )
    literature = "Noukhovitch et al. 2025, Asynchronous RLHF, arXiv:2410.18252"
    shows = "generated by weights of an earlier step"

    _FACTOR = 3.0

    steps: float = 4.0

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten batches with the lowest block."""
        series = history["staleness"]
        change = risen(series, level=self.steps, rise=self.steps / 2, reports=10)
        if change is None or change.value < self._FACTOR * change.before:
            return None
        return Evidence(
            f"Completions are {change.value:.3g} steps old, after {change.before:.3g} before.",
            history.name("staleness"),
            change.value,
            change.before,
            self.steps,
        )
