"""The queries about prompts and groups of completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from logflume.query.arguments import checked

if TYPE_CHECKING:
    import pyarrow as pa

    from logflume.query.at_k import AtK
    from logflume.query.prompts import Change
    from logflume.query.row_filter import Steps
    from logflume.query.table import Table
    from logflume.query.visits import AnyMode, Mode

__all__ = ["RolloutQuestions"]

Criterion = TypeVar("Criterion")


class RolloutQuestions:
    """Queries about prompts, and about the groups of completions that a policy samples for them.

    A **visit** is one group of completions: what one generation sampled for one prompt, on however
    many ranks. A completion that was logged without a mode is one of training.

    A completion **solves** its prompt if `quality/correct` is true. Where that is unknown, it
    solves the prompt if its `rewards/total` is at least `solved`. Without `solved`, a completion
    that has no answer counts as not solved, provided that `quality/correct` is known for others;
    any other unknown `quality/correct` requires `solved`. If `quality/correct` is known for all
    completions, `solved` has no effect, and a warning says so.

    The policy `rollouts` of `attach` may log only some completions of a group. Such a group allows
    no unbiased estimate, so means leave it out, and `skipped` or `partial` counts it.
    """

    @checked
    def prompts(
        self,
        *,
        solved: float | None = None,
        steps: Steps = None,
        mode: AnyMode | None = None,
        between: tuple[int, int] | None = None,
        change: Change | None = None,
        min_rate: float | None = None,
        max_rate: float | None = None,
        min_visits: int = 1,
        order: str | Sequence[str] = (),
        limit: int | None = None,
    ) -> Table:
        """Return one row for each prompt: how often it was solved, and how that changed.

        Evaluations, which often sample in another way, never count among the visits of training.
        With `mode="both"`, a prompt that was trained on and evaluated has two rows.

        Columns: `run`, `prompt_id`, `question` (or the prompt's text where no question was logged),
            and `mode`; the numbers of `visits`, `completions` and `solved` completions;
            `solve_rate` (the share of the completions that solve it); the solve rate of its
            `first`, `best`, `worst` and `latest` visit, each with the step (`first_step` …), the
            earliest one of equal visits;
            `reward_mean` and `reward_max` of `rewards/total`; `partial`, the number of visits that
            were not recorded completely; and `change`.

        The `change` is `newly_solved` (no completion in its first visit solved it, but one in its
        latest visit does), `forgotten` (an earlier completion solved it, but none in its latest
        visit does), `never` (no visit had a completion that solved it), `always` (every visit had
        one), or else null.

        With `between=(first, last)`, there are also `before`, `before_step`, `after` and
        `after_step`: the solve rate and step of the latest visit up to the step `first`, and of the
        latest visit after it, up to `last`. The change is then that between these two visits; it is
        null if one of them is missing.

        Without a recorded `prompt_id`, as in runs of earlier versions, the id is a hash of the text
        of the prompt, or else of the question. Completions that have neither are omitted.

        Args:
            solved: The `rewards/total` from which a completion solves its prompt.
            steps: A step, or the first and the last step, of the visits to count; None: all.
            mode: Only visits of training (`train`) or evaluation (`eval`), or `both`, apart; None:
                those of training, or, in a run that has only evaluations, of these.
            between: Two steps to compare.
            change: Only prompts with this change.
            min_rate: The minimum solve rate; 1: those that every completion solved.
            max_rate: The maximum solve rate; 0: those that no completion solved.
            min_visits: The minimum number of visits.
            order: Columns to sort by; `-` in front puts the highest first: `-solve_rate`. Prompts
                that tie are in the order of their first visits. Without `order`, forgotten prompts
                are sorted by what they lost, and newly solved ones by what they gained, the most
                first, if `change` selects them.
            limit: The maximum number of prompts.

        Raises:
            ArgumentError: A filter is invalid.
            QueryError: `solved` is required.
            RunError: A journal is damaged.

        Example:
            >>> run.prompts(max_rate=0, min_visits=3)  # never solved in three visits or more
            >>> run.prompts(change="forgotten")  # solved in some visit, but not in the latest
            >>> run.prompts(between=(100, 400), change="forgotten", mode="eval")
        """
        from logflume.query.prompts import PromptFilter, read_prompts

        wanted = PromptFilter(mode, between, change, min_rate, max_rate, min_visits, order, limit)
        return self._query(lambda read: read_prompts(partial(read, steps=steps), wanted, solved))

    @checked
    def prompt(
        self,
        prompt_id: str,
        *,
        solved: float | None = None,
        steps: Steps = None,
        mode: Mode | None = None,
        columns: Sequence[str] | None = None,
    ) -> Table:
        """Return the completions of one prompt, visit by visit, of training and of evaluation.

        The rows are sorted by step, attempt, mode, generation and group, then by index. The columns
        are `visit`, the number of the visit among those of its mode in the run, from 0; `solved`,
        which is null where it is unknown; and those of `outputs`, such as `mode`.

        Args:
            prompt_id: The prompt's id, as `prompts` returns it, or its beginning, if no other id
                begins with that.
            solved: The `rewards/total` from which a completion solves the prompt.
            steps: As for `prompts`.
            mode: Only visits of training (`train`) or evaluation (`eval`); None: both.
            columns: Names and patterns of the columns to return after these two; None: all.

        Raises:
            QueryError: There is no such prompt or column, or several ids begin with `prompt_id`.
            RunError: A journal is damaged.
        """
        from logflume.query.prompt import read_prompt

        return self._query(
            lambda read: read_prompt(
                read, prompt_id, steps=steps, mode=mode, solved=solved, columns=columns
            )
        )

    @checked
    def groups(
        self, *, steps: Steps = None, mode: Mode | None = None, solved: float | None = None
    ) -> Table:
        """Return one row for each group of completions, that is, for each visit to a prompt.

        Columns: those that identify the group (`run`, `attempt`, `step`, `mode`, `generation`,
        `group`, `prompt_id`), `question`, the numbers of `completions`, of `solved` and of
        `truncated` ones, `solve_rate`, `reward_mean`, `reward_std` (n - 1, as in TRL), `reward_min`
        and `reward_max` of `rewards/total`, `signal` (whether the rewards differ), `tokens` (null
        if they are unknown for a completion), and `partial` (whether completions of the batch are
        missing). `solved` and `solve_rate` are null where they are unknown.

        Args:
            steps: As for `prompts`.
            mode: As for `prompt`.
            solved: As for `prompts`.

        Raises:
            RunError: A journal is damaged.
        """
        from logflume.query.groups import read_groups

        return self._query(
            lambda read: read_groups(partial(read, steps=steps), mode=mode, solved=solved)
        )

    @checked
    def signal(
        self,
        *,
        by: str | Sequence[str] = "step",
        steps: Steps = None,
        mode: Mode | None = None,
    ) -> Table:
        """Return the share of groups that give a learning signal, and what a signal costs.

        A group gives a signal if its total rewards differ; otherwise all its advantages are 0.
        Columns: `run`, `mode`, those of `by`, the number of `groups` and of those `with_signal`,
        their `share`, the `tokens` of all completions, `tokens_with_signal`, the ratio of the two,
        `tokens_per_token_with_signal`, and the number of groups `skipped`. Tokens are null if they
        are unknown for a completion.

        Args:
            by: As for `pass_at`.
            steps: As for `prompts`.
            mode: As for `prompt`.

        Raises:
            QueryError: There is no column `by`.
            RunError: A journal is damaged.
        """
        from logflume.query.groups import read_signal

        return self._query(
            lambda read: read_signal(partial(read, steps=steps), _names(by), mode=mode)
        )

    @checked
    def pass_at(
        self,
        k: int | Sequence[int],
        *,
        solved: float | None = None,
        by: str | Sequence[str] = "step",
        steps: Steps = None,
        mode: Mode | None = None,
        seed: int = 0,
    ) -> Table:
        """Return pass@k: the probability that one of k completions solves its prompt.

        It is estimated without bias from each group of n completions, c of which solve the prompt,
        as 1 - C(n - c, k) / C(n, k) (Chen et al. 2021), for any k up to n. The mean over the groups
        has a 95% confidence interval, by a bootstrap over the prompts (BCa with expanded levels;
        see `logflume.query.intervals`).

        Columns: `run`, `mode`, those of `by`, `k`, `value`, the bounds of the interval `low` and
        `high`, the numbers of `prompts` and `groups` in the mean, and the number of groups
        `skipped`: those with fewer than k completions, and those that were not recorded completely.
        The bounds are null if there is no spread to estimate them from (a single prompt, or equal
        values), unless all values are 0 or 1.

        Args:
            k: One or more numbers of completions.
            solved: As for `prompts`.
            by: One or more columns; each value, or combination of values, gets a row: `step`, a
                column of the dataset (`level`), or another field that the completions of a group
                share. `()`: one row.
            steps: As for `prompts`.
            mode: As for `prompt`. Training and evaluation are never pooled.
            seed: Seed of the bootstrap. The same data have the same interval.

        Raises:
            QueryError: No group has k completions, there is no column `by`, or `solved` is
                required.
            RunError: A journal is damaged.

        Example:
            >>> run.pass_at([1, 4, 8], by=["step", "level"], mode="eval")
        """
        from logflume.query.at_k import read_pass_at

        return self._at_k(read_pass_at, "pass_at", solved, k, by, steps, mode, seed)

    @checked
    def best_at(
        self,
        k: int | Sequence[int],
        *,
        reward: str = "rewards/total",
        by: str | Sequence[str] = "step",
        steps: Steps = None,
        mode: Mode | None = None,
        seed: int = 0,
    ) -> Table:
        """Return best@k: the expected highest reward of k completions of a prompt.

        It is the mean over all subsets of k completions of a group, so it is unbiased. Completions
        without the reward don't count. The columns are those of `pass_at`; the bounds are null if
        all prompts have the same value.

        Args:
            k: As for `pass_at`.
            reward: The column that holds the reward.
            by: As for `pass_at`.
            steps: As for `prompts`.
            mode: As for `pass_at`.
            seed: As for `pass_at`.

        Raises:
            QueryError: No group has k completions, or there is no such column.
            RunError: A journal is damaged.
        """
        from logflume.query.at_k import read_best_at

        return self._at_k(read_best_at, "best_at", reward, k, by, steps, mode, seed)

    @checked
    def majority_at(
        self,
        k: int | Sequence[int],
        *,
        solved: float | None = None,
        by: str | Sequence[str] = "step",
        steps: Steps = None,
        mode: Mode | None = None,
        seed: int = 0,
    ) -> Table:
        """Return majority@k: the probability that the most frequent of k answers is right.

        It is the mean over all subsets of k completions of a group, so it is unbiased, and exact:
        the subsets are counted, not sampled. Two answers are equal if their texts (`answer`) are,
        apart from spaces around them. Among equally frequent answers, each wins with the same
        probability. A completion without an answer has no vote; if none of the k has an answer, the
        majority is wrong. If only some completions with the same answer count as solving the
        prompt, the answer is right with the probability of their share.

        Args:
            k: As for `pass_at`.
            solved: As for `prompts`.
            by: As for `pass_at`.
            steps: As for `prompts`.
            mode: As for `pass_at`.
            seed: As for `pass_at`.

        Raises:
            QueryError: No group has k completions, no completion has an answer, there is no column
                `by`, or `solved` is required.
            RunError: A journal is damaged.
        """
        from logflume.query.at_k import read_majority_at

        return self._at_k(read_majority_at, "majority_at", solved, k, by, steps, mode, seed)

    def _at_k(
        self,
        read_at_k: Callable[[Callable[..., pa.Table], AtK, Criterion], pa.Table],
        name: str,
        criterion: Criterion,
        k: int | Sequence[int],
        by: str | Sequence[str],
        steps: Steps,
        mode: Mode | None,
        seed: int,
    ) -> Table:
        """Run one of the queries about k completions; `criterion` is `solved`, or a reward."""
        from logflume.query.at_k import AtK

        at_k = AtK(name, [k] if isinstance(k, int) else list(k), _names(by), mode, seed)
        return self._query(lambda read: read_at_k(partial(read, steps=steps), at_k, criterion))

    @checked
    def throughput(self, *, steps: Steps = None) -> Table:
        """Return how fast training is, and the share of each phase in a step.

        There is one row for each report of the trainer (`training`). Columns: `run`, `step`,
        `steps` (since the previous report, or since the first rollouts), `step_s` (mean duration of
        a step, TRL's `step_time`), `generation_s`, `rewards_s` and `rest_s`, the mean seconds of a
        step for generating, for the reward functions and for everything else, their shares
        `generation_share`, `rewards_share` and `rest_share`, `tokens` (of prompts and completions
        since the previous report: TRL's `num_tokens`), and `tokens_per_s`.

        Several ranks work at the same time, so the slowest one counts in each batch. What was not
        measured is null.

        Args:
            steps: As for `prompts`.

        Raises:
            RunError: A journal is damaged.
        """
        from logflume.query.throughput import read_throughput

        return self._query(lambda read: read_throughput(partial(read, steps=steps)))

    def _query(self, query: Callable[[Callable[..., pa.Table]], pa.Table]) -> Table:
        """Run a query on the files as they are at one moment."""
        raise NotImplementedError


def _names(by: str | Sequence[str]) -> list[str]:
    return [by] if isinstance(by, str) else list(by)
