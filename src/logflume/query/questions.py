"""The queries that a run, or several runs together, can answer."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, TypeVar

from logflume.config.errors import nearest, suggest
from logflume.events.catalogue import CATALOGUE, has_curves
from logflume.exceptions import ArgumentError, MissingExtraError, RunError
from logflume.guard import unended
from logflume.query.arguments import checked
from logflume.query.rollout_questions import RolloutQuestions
from logflume.runs.files import Writer, find_writers

if TYPE_CHECKING:
    import pyarrow as pa

    from logflume.query.newest_first import OutputsPiece
    from logflume.query.row_filter import Steps
    from logflume.query.scan import RunFiles
    from logflume.query.table import Table

Attempts: TypeAlias = Literal["current", "all"]
Result = TypeVar("Result")

__all__ = ["Attempts", "Questions", "is_continued"]


_METRIC_TYPES = ("training", "evaluation", "reward", "generation")
"""The event types whose metrics are returned if no others are named."""


class Questions(RolloutQuestions):
    """Queries on the events of runs, live or ended: all ranks and forked children, each event once.

    Every query reads what is on disk at that moment: events from Parquet where it has them, and the
    rest from the journal.

    Args:
        folders: The runs' folders.
        attempts: `current` for the latest attempt of each step, `all` for everything.

    Attributes:
        attempts: As given.
    """

    def __init__(self, folders: Sequence[Path], attempts: Attempts) -> None:
        self.attempts = attempts
        self._folders = folders
        self._pinned_files: list[RunFiles] | None = None
        self._is_pinned = False
        self._is_salvaged = False
        self._report_damage: Callable[[str], None] | None = None

    def pinned(self) -> Self:
        """Return the same runs, for several queries on one state of the files.

        All of its queries read the files as the first one finds them, so that their results are
        consistent, and the files of many ranks are located only once. If files are replaced in the
        meantime, they are located again.
        """
        other = copy(self)
        other._is_pinned = True
        return other

    def salvaged(self) -> Self:
        """Return the same runs, for reading what is left of damaged files.

        Queries then read only the journals, and skip lines that are not events and the rest of a
        file that can't be read. They don't report what is missing: `logflume doctor` does.
        """
        other = copy(self)
        other._is_salvaged = True
        other._pinned_files = None
        return other

    def salvaged_if_damaged(self, report: Callable[[str], None]) -> Self:
        """Return the same runs; a query that fails because of damage is answered as by `salvaged`.

        Args:
            report: Called once for each query that fails, with a message that says what is damaged
                and what the result lacks.
        """
        other = copy(self)
        other._report_damage = report
        return other

    def types(self) -> dict[str, int]:
        """Return the number of events of each type."""
        from logflume.query.scan import count_events

        return self._read(count_events)

    def event_types(self) -> set[str]:
        """Return the types that have events. This is faster than `types`, which counts them."""
        from logflume.query.scan import find_types

        return self._read(find_types)

    @checked
    def events(
        self, event_type: str, *, columns: Sequence[str] | None = None, steps: Steps = None
    ) -> Table:
        """Return the events of a type in the order they were logged, with a column for each field.

        NaN and infinities are restored. `extras` has, as JSON text, the values that don't fit their
        columns, and fields whose names differ from another's only in case. A type that is neither
        declared nor in these runs gives an empty table and a warning, which names a similar type.

        Args:
            event_type: The event type: `reward`, `training`, or one of your own.
            columns: Names and patterns (`rewards/*/mean`) of the columns to read. None: all.
            steps: A step, or the first and the last step; `(100, None)` for 100 and later. None:
                all.

        Raises:
            QueryError: There is no such column.
            RunError: A journal is damaged.
        """
        table = self._query(lambda read: read(event_type, columns=columns, steps=steps))
        if not len(table):
            self._warn_of_types([event_type])
        return table

    @checked
    def metrics(
        self,
        *names: str,
        wide: bool = False,
        steps: Steps = None,
        events: str | Sequence[str] | None = None,
        max_points: int | None = None,
    ) -> Table:
        """Return the numbers of the events that are logged by step.

        Several events of one type in one step and mode are one point: a mean becomes the mean of
        their values, weighted by their numbers of values `n`, a minimum becomes the lowest, and so
        on (see `logflume.values.aggregates`). The method `events` returns each event. An event that
        was logged without a mode counts as training, unless it is an `evaluation`. If several
        training sessions of a run have the same steps, because `train()` was called again, the
        latest one counts.

        Args:
            names: Names and patterns: `loss`, `rewards/*/mean`, `weights.*`. Without any, all are
                returned. A metric of `training`, `evaluation` or `reward` has the name of its
                field, one of another type has the type before it: `weights.embedding/mean`.
            wide: Whether to return one row for each step and mode, with a column for each metric. A
                metric that is requested by its name has that name; `reward.rewards/right/mean` is
                that of `reward` events, if the trainer reports one of the same name. The values of
                several ranks become one value, too. Without `wide` there is one row for each
                value, with `step`, `name`, `value`, `event`, `mode`, `run`, `rank`, `attempt` and
                `timestamp`.
            steps: As for the method `events`.
            events: The event types to read; None: `training`, which has TRL's own metrics,
                `evaluation`, `reward`, which has the statistics of each batch, `generation`, and
                the types that the names begin with.
            max_points: The maximum number of points of a curve, 5 or more, for a plot; None: all.
                The points are split into stretches; each stretch keeps its first, last, lowest and
                highest point, and one that is NaN. A curve has the points of one metric, event
                type, mode, run, rank and attempt; in the wide form, those of a column, mode and
                run, and values that are not kept are null.

        Raises:
            QueryError: There is no such metric, or the field holds no numbers.
            RunError: A journal is damaged.

        A name that is declared, but of which these runs have no value, gives a warning, which says
        what they have instead: without a trainer, the reward is `rewards/total/mean`. So does a
        pattern that matches nothing.
        """
        from logflume.query.metrics import explain_missing, lacking, read_metrics
        from logflume.query.scan import read_events

        keys = ["run", "step", "mode"] if self._has_many_runs else ["step", "mode"]
        types = self._metric_types(names) if events is None else events
        types = [types] if isinstance(types, str) else types
        table = self._query_files(
            lambda files, read: read_metrics(
                partial(read, steps=steps),
                types,
                names,
                keys if wide else None,
                max_points,
                has_many_ranks=any(len(run.snapshots) > 1 for run in files),
                all_types=self._curve_types if events is None else None,
            )
        )
        if not len(table):
            self._warn_of_types(types)
        if missing := lacking(table.arrow, names, wide=wide):
            for message in self._read(
                lambda files: explain_missing(
                    partial(read_events, files),
                    types,
                    missing,
                    all_types=self._curve_types if events is None else None,
                )
            ):
                warnings.warn(message, stacklevel=3)
        return table

    def _metric_types(self, names: Sequence[str]) -> list[str]:
        """Return the event types that metrics of these names may have."""
        own = self.event_types() if any("." in name for name in names) else ()
        named = [one for one in sorted(own) if any(name.startswith(f"{one}.") for name in names)]
        return list(dict.fromkeys([*_METRIC_TYPES, *named]))

    def _curve_types(self) -> list[str]:
        """Return all event types here whose numbers are curves."""
        own = sorted(one for one in self.event_types() if has_curves(one))
        return list(dict.fromkeys([*_METRIC_TYPES, *own]))

    @checked
    def rewards(self, *, steps: Steps = None) -> Table:
        """Return one row for each completion and reward function.

        Columns: `step`, `mode`, `function`, `value` (null: the function does not apply), `group`
        and `index` (the prompt within the batch, and the completion within its group; null where
        `num_generations` was not logged), `row` (the completion within the batch), and the columns
        that identify the event. All rewards are included, even those of completions that were not
        logged. The weighted sum is the function `total`.

        Args:
            steps: As for `events`.

        Raises:
            RunError: A journal is damaged.
        """
        from logflume.query.rewards import read_rewards

        return self._query(lambda read: read_rewards(partial(read, steps=steps)))

    @checked
    def outputs(
        self,
        *,
        steps: Steps = None,
        correct: bool | None = None,
        min_reward: float | None = None,
        max_reward: float | None = None,
        worst: int | None = None,
        best: int | None = None,
        by: str = "rewards/total",
        search: str | None = None,
        regex: bool = False,
        where: str | None = None,
        groups: Table | pa.Table | Sequence[int | Mapping[str, Any]] | None = None,
        last: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> Table:
        """Return completions with their rewards: the `model_output` events.

        Args:
            steps: As for `events`.
            correct: Only those whose answer is correct (True) or wrong (False); None: both.
            min_reward: The minimum reward.
            max_reward: The maximum reward.
            worst: Only this number of completions, those with the lowest reward, lowest first.
            best: Only this number of completions, those with the highest reward, highest first.
            by: The column that holds the reward.
            search: Only those that contain this text in `model_output`, `prompt` or `question`,
                ignoring case.
            regex: Whether `search` is a regular expression of RE2; `(?i)` ignores the case.
            where: Only those for which this condition in SQL is true, as for `logflume tail`:
                `"completion_tokens" > 500 and "columns/level" = 'hard'`.
            groups: Only those of these groups, given as numbers (`[0, 3]`) or as rows of
                `groups()`, whose columns identify the groups.
            last: Only this number of the matching completions, the last ones in the order of the
                result.
            columns: As for `events`.

        Raises:
            MissingExtraError: DuckDB, which `where` needs, is not installed.
            QueryError: There is no such column or reward, or a filter is invalid.
            RunError: A journal is damaged.

        Example:
            >>> run.outputs(groups=run.groups(steps=40), search="therefore")
        """
        from logflume.query.completions import (
            CompletionFilter,
            explain_no_reward,
            read_completions,
        )
        from logflume.query.scan import read_events

        if isinstance(groups, str) or not (
            groups is None or isinstance(groups, Sequence) or hasattr(groups, "to_pylist")
        ):
            expected = "expected numbers of groups, or rows of `groups()`"
            raise ArgumentError("outputs", "groups", groups, expected)
        rows = groups if groups is None or isinstance(groups, Sequence) else groups.to_pylist()
        wanted = CompletionFilter(
            correct, min_reward, max_reward, worst, best, by, search, regex, where, rows, last
        )
        table = self._query(
            lambda read: read_completions(partial(read, steps=steps), wanted, columns)
        )
        if not len(table) and (
            problem := self._read(
                lambda files: explain_no_reward(partial(read_events, files), wanted)
            )
        ):
            warnings.warn(problem, stacklevel=3)
        return table

    def output_steps(self) -> Table:
        """Return one row for each step and mode that has completions, in ascending order.

        Columns: `step` and `mode`, which may be null. The query needs little memory, however many
            completions there are.

        Raises:
            RunError: A journal is damaged.
        """
        from logflume.query.newest_first import read_output_steps

        return self._query(read_output_steps)

    @checked
    def iter_outputs(
        self,
        *,
        steps: Steps = None,
        correct: bool | None = None,
        min_reward: float | None = None,
        max_reward: float | None = None,
        by: str = "rewards/total",
        search: str | None = None,
        regex: bool = False,
        where: str | None = None,
        columns: Sequence[str],
    ) -> Iterator[OutputsPiece]:
        """Yield the completions of `outputs` in pieces, those of the newest steps first.

        If you stop early, little is read, and a piece takes tens of megabytes of memory, however
        many completions the run has. The pieces cover disjoint ranges of steps; completions without
        a step come last. Each piece has the attributes `outputs`, `searched` and `total`.

        Args:
            steps: As for `outputs`, and so are all others but `columns`.
            correct: See there.
            min_reward: See there.
            max_reward: See there.
            by: See there.
            search: See there.
            regex: See there.
            where: See there.
            columns: The columns to return. Except for the texts, they should be small, because they
                are read for all completions.

        Raises:
            MissingExtraError: DuckDB, which `where` needs, is not installed.
            QueryError: There is no such column or reward, or a filter is invalid.
            RunError: A journal is damaged.

        Example:
            >>> pieces = run.iter_outputs(search="therefore", columns=["step", "id"])
            >>> newest = next(pieces).outputs.to_pylist()
        """
        from logflume.query.completions import CompletionFilter
        from logflume.query.newest_first import read_newest_first

        wanted = CompletionFilter(
            correct, min_reward, max_reward, None, None, by, search, regex, where
        )
        return read_newest_first(self.pinned()._query, wanted, steps, columns)

    @checked
    def tokens(
        self,
        id: str | None = None,  # noqa: A002 - the name of the field
        *,
        steps: Steps = None,
    ) -> Table:
        """Return one row for each token of completions, in order: the `tokens` events.

        `attach(trainer, tokens=…)` records them. Columns: `run`, `step`, `mode` and `id` of the
        completion, `position` of the token, from 0, `token_id`, `piece`, `logprob`,
        `sampler_logprob`, `ref_logprob`, `ratio` and `mask`; null where the trainer doesn't know
        a value.

        Args:
            id: The id of a completion, as in the column `id` of `outputs`; None: all that have
                tokens.
            steps: As for `events`.

        Raises:
            QueryError: The completion has no tokens.
            RunError: A journal is damaged.

        Example:
            >>> run = logflume.open_run("logs/latest")
            >>> (worst,) = run.outputs(worst=1)["id"].to_pylist()
            >>> run.tokens(worst).to_pandas().plot("position", "logprob")
        """
        from logflume.query.tokens import read_tokens

        return self._query(lambda read: read_tokens(partial(read, steps=steps), id))

    @checked
    def ranks(self, *, steps: Steps = None) -> Table:
        """Return which rank is slow: one row for each step, from the `rank` events of all ranks.

        Columns: `run`, `step`, `ranks` (the number that reported), `slowest` (the rank that was
        busy longest before the ranks waited for each other, with `slowest_host` and
        `slowest_local_rank`), and `/min`, `/median` and `/max` over the ranks of `busy_s`
        (generation and rewards), `generate_s`, `rewards_s`, `wait_s`, `step_s` (seconds),
        `memory_bytes` and `gpu_peak_bytes` (bytes).

        Args:
            steps: As for `events`.

        Raises:
            RunError: A journal is damaged.

        Example:
            >>> run.ranks(steps=(100, None)).to_pandas()["slowest"].value_counts()
        """
        from logflume.query.ranks import read_ranks

        return self._query(lambda read: read_ranks(partial(read, steps=steps)))

    @checked
    def sql(self, query: str, *, external: bool = False) -> Table:
        """Return the result of a query in DuckDB's SQL dialect.

        Each event type is a view (`select loss from training`), and so are `metrics`, `rewards` and
        `outputs`, as the methods of these names return them. Only a single query is allowed, and it
        can read nothing else: no other files, no extensions, no variables.

        Args:
            query: The query.
            external: Whether to allow any statement, with access to all files and to extensions: a
                join with a file of your own, or `copy … to 'file.csv'`.

        Raises:
            MissingExtraError: DuckDB is not installed.
            QueryError: The query is invalid.
            RunError: A journal is damaged.
        """
        from logflume.query.table import Table

        try:
            from logflume.query.sql import run_sql
        except ModuleNotFoundError as error:
            raise MissingExtraError("duckdb", "analysis") from error
        views = {"metrics": self.metrics, "rewards": self.rewards, "outputs": self.outputs}
        return Table(self._read(lambda files: run_sql(query, files, views, external=external)))

    def _warn_of_types(self, requested: Sequence[str]) -> None:
        """Warn the caller of a query of types that are neither declared nor in these runs."""
        if unknown := [one for one in requested if one not in CATALOGUE]:
            types = sorted(self.event_types())
            for one in unknown:
                if one not in types:
                    rest = suggest(one, types, nearest(one, [*types, *CATALOGUE]))
                    warnings.warn(f"there is no event of type {one!r}; {rest}", stacklevel=4)

    @property
    def _has_many_runs(self) -> bool:
        return len(self._folders) != 1

    def _query(self, query: Callable[[Callable[..., pa.Table]], pa.Table]) -> Table:
        """Run a query on the events as they are at one moment."""
        return self._query_files(lambda _files, read: query(read))

    def _query_files(
        self, query: Callable[[list[RunFiles], Callable[..., pa.Table]], pa.Table]
    ) -> Table:
        """Run a query on the files as they are at one moment."""
        from logflume.query.scan import read_events
        from logflume.query.table import Table

        return Table(self._read(lambda files: query(files, partial(read_events, files))))

    def _read(self, read: Callable[[list[RunFiles]], Result]) -> Result:
        """Read the files as they are at one moment, or on request what is left of damaged ones.

        Raises:
            RunError: A file is damaged.
        """
        if self._report_damage is None or self._is_salvaged:
            return self._read_files(read)
        try:
            return self._read_files(read)
        except RunError as error:
            writers = [writer for folder in self._folders for writer in find_writers(folder)]
            if not any(writer.journals() for writer in writers):
                raise
            result = self.salvaged()._read_files(read)
            self._report_damage(f"{unended(error)}. {_describe_rest(writers)}")
            return result

    def _read_files(self, read: Callable[[list[RunFiles]], Result]) -> Result:
        from logflume.query.scan import retry_if_replaced

        def read_once() -> Result:
            files = self._pinned_files or self._run_files()
            self._pinned_files = None  # until they have been read: they may have been replaced
            result = read(files)
            self._pinned_files = files if self._is_pinned else None
            return result

        return retry_if_replaced(read_once)

    def _run_files(self) -> list[RunFiles]:
        from logflume.query.run_snapshot import Snapshot
        from logflume.query.scan import RunFiles

        writers_by_run = [find_writers(folder) for folder in self._folders]
        ids = [next((w.state.run for w in ws if w.state), None) for ws in writers_by_run]
        counts = Counter(ids)
        runs = []
        for folder, writers, run in zip(self._folders, writers_by_run, ids, strict=True):
            name = str(folder) if run is not None and counts[run] > 1 else None
            latest_only = self.attempts == "current" and is_continued(writers)
            snapshots = [Snapshot(one, name, is_salvaged=self._is_salvaged) for one in writers]
            runs.append(RunFiles(snapshots, latest_only))
        return runs


def _describe_rest(writers: Sequence[Writer]) -> str:
    from logflume.query.run_snapshot import count_unreadable_lines

    lines = sum(map(count_unreadable_lines, writers))
    without = f", without {lines:,} line{'s' * (lines > 1)} that can't be read" if lines else ""
    return f"This is what the journal has{without}"


def is_continued(writers: Sequence[Writer]) -> bool:
    """Whether a run may have several attempts, which must be assumed without a run state."""
    states = [writer.state for writer in writers if writer.state is not None]
    return not states or any(state.attempt > 0 for state in states)
