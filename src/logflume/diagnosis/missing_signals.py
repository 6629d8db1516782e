"""Reward functions that return no value for more and more completions."""

from __future__ import annotations

from logflume.diagnosis.detector import Detector, risen
from logflume.diagnosis.error_rate import BLOCK_REPORTS
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.reward_batches import MISSING

__all__ = ["MissingRewards"]


class MissingRewards(Detector):
    """A reward function has no value (None or NaN) for many completions for which it had one.

    The median share of such completions over ten batches has risen by `share` from its lowest
    block, and by more than noise. A share that is constant says nothing: with several tasks, a
    function may apply to one of them. Nor does one that rises while that of another function falls
    by half as much: the share of a task has changed. Read from the lists of `reward` events, which
    have the value of each completion.

    Args:
        share: Rise of the share of completions without a value, 0 to 1.
    """

    signal = "missing_rewards"
    reads = (MISSING,)
    meaning = "A reward function returns no value for many completions, which are not judged."
    cause = "The verifier or the API of the judge fails or times out, and its exception is caught."
    try_next = (
        "Call the function with such a completion, and log its exceptions; check the timeouts and "
        "limits of the verifier or the judge."
    )

    _SHARE_OF_OTHERS = 0.5

    share: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last block of each function with its lowest one."""
        for metric in history.metrics(f"{MISSING}/"):
            series = history[metric]
            change = risen(series, level=self.share, rise=self.share, reports=BLOCK_REPORTS)
            if change is None:
                continue
            since = series.crossing((change.before + change.value) / 2, is_rise=True)
            rise = change.value - change.before
            if self._another_begins(history, metric, since, self._SHARE_OF_OTHERS * rise):
                continue
            function = metric.removeprefix(f"{MISSING}/")
            return Evidence(
                f"{function} has no value for {change.value:.0%} of the completions, after "
                f"{change.before:.0%} before.",
                f"rewards/{function}",
                change.value,
                change.before,
                change.before + self.share,
                fields={"function": function},
            )
        return None

    def _another_begins(self, history: History, metric: str, since: int, share: float) -> bool:
        """Whether another function has values for more completions since then."""
        others = (history[one] for one in history.metrics(f"{MISSING}/") if one != metric)
        # NaN: it has had no list before.
        return any(
            not other.mean_at(since) - other.level(BLOCK_REPORTS) < share for other in others
        )

    def current_value(self, history: History, evidence: Evidence) -> float:
        """Return the share of completions without a value."""
        return history[f"{MISSING}/{evidence.fields['function']}"].level(BLOCK_REPORTS)
