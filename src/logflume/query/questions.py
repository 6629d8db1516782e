"""The questions that can be asked of one run or of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from logflume.runs.files import Writer, find_writers

if TYPE_CHECKING:
    import pyarrow as pa

    from logflume.query.row_filter import Steps
    from logflume.query.scan import RunFiles
    from logflume.query.table import Table

Attempts: TypeAlias = Literal["current", "all"]

__all__ = ["Attempts", "Questions", "is_continued"]


class Questions:
    """The events of runs, each once: all ranks and forked children, live or ended.

    Every question is answered from what is on disk at that moment. Parquet is read where it has
    the events, and the journal for the rest.

    Args:
        folders: The runs' folders.
        attempts: `current` for the latest attempt of each step, `all` for everything.

    Attributes:
        attempts: As given.
    """

    def __init__(self, folders: Sequence[Path], attempts: Attempts) -> None:
        self.attempts = attempts
        self._folders = folders

    def types(self) -> dict[str, int]:
        """Return how many events of each type there are."""
        from logflume.query.scan import consistently, count_events

        return consistently(lambda: count_events(self._files()))

    def events(
        self, event_type: str, *, columns: Sequence[str] | None = None, steps: Steps = None
    ) -> Table:
        """Return the events of a type, one column a field, in the order they were logged.

        NaN and infinities are restored. A value that doesn't fit its column is in `extras`, as JSON
        text, and so is a field whose name differs from another's only in case.

        Args:
            event_type: The type: `reward`, `training`, one of your own.
            columns: Names and patterns (`rewards/*/mean`): nothing else is read. None: all.
            steps: A step, or the first and the last, `(100, None)` from 100 on. None: all.

        Raises:
            QueryError: There is no such column.
            RunError: A journal is damaged.
        """
        return self._answer(lambda read: read(event_type, columns=columns, steps=steps))

    def metrics(
        self,
        *names: str,
        wide: bool = False,
        steps: Steps = None,
        events: str | Sequence[str] = ("training", "evaluation", "reward", "generation"),
    ) -> Table:
        """Return the numbers of the events that are logged by step.

        Args:
            names: Names and patterns: `loss`, `rewards/*/mean`. None given: all.
            wide: One row a step and mode, a column each: those of `training` and `evaluation` by
                their names, of other types as `reward.rewards/total/std`. Of several values for
                a step the last counts, and of several ranks the mean. Else a row for each value:
                `step`, `name`, `value`, `event`, `mode`, `run`, `rank`, `attempt`, `timestamp`.
            steps: As for the method `events`.
            events: The types of events whose numbers are wanted. TRL's own metrics are in
                `training`; `reward` has the statistics of each batch.

        Raises:
            QueryError: There is no such metric.
            RunError: A journal is damaged.
        """
        from logflume.query.metrics import read_metrics

        keys = ["run", "step", "mode"] if self._are_many else ["step", "mode"]
        return self._answer(
            lambda read: read_metrics(
                partial(read, steps=steps),
                [events] if isinstance(events, str) else events,
                names,
                keys if wide else None,
            )
        )

    def rewards(self, *, steps: Steps = None) -> Table:
        """Return one row for each completion and reward function.

        Columns: `step`, `mode`, `function`, `value` (null: the function does not apply), `group`
        and `index` (which prompt of the batch, which completion of it; null where
        `num_generations` was not logged), `row` (which completion of the batch), and where it
        is from. All rewards are there, also of completions whose text was not kept. The weighted
        sum is the function `total`.

        Args:
            steps: As for `events`.

        Raises:
            RunError: A journal is damaged.
        """
        from logflume.query.rewards import read_rewards

        return self._answer(lambda read: read_rewards(partial(read, steps=steps)))

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
        columns: Sequence[str] | None = None,
    ) -> Table:
        """Return completions with their rewards: the events `model_output`.

        Args:
            steps: As for `events`.
            correct: Those whose answer is right, or wrong; None: both.
            min_reward: The least reward.
            max_reward: The greatest reward.
            worst: So many with the least reward, the worst first.
            best: So many with the greatest reward, the best first.
            by: The column that is the reward.
            columns: As for `events`.

        Raises:
            QueryError: There is no such column or reward.
            RunError: A journal is damaged.
        """
        from logflume.query.completions import Wanted, read_outputs

        wanted = Wanted(correct, min_reward, max_reward, worst, best, by)
        return self._answer(lambda read: read_outputs(partial(read, steps=steps), wanted, columns))

    def sql(self, query: str) -> Table:
        """Return the answer to a query in DuckDB's SQL.

        Each type of event is a view (`select loss from training`), and so are `metrics`, `rewards`
        and `outputs`, as the methods return them.

        Raises:
            MissingExtraError: DuckDB is not installed.
            QueryError: The query is wrong.
            RunError: A journal is damaged.
        """
        from logflume.query.scan import consistently
        from logflume.query.sql import run_sql
        from logflume.query.table import Table

        views = {"metrics": self.metrics, "rewards": self.rewards, "outputs": self.outputs}
        return Table(consistently(lambda: run_sql(query, self._files(), views)))

    @property
    def _are_many(self) -> bool:
        return len(self._folders) != 1

    def _answer(self, ask: Callable[[Callable[..., pa.Table]], pa.Table]) -> Table:
        """Return what `ask` makes of the files of one moment."""
        from logflume.query.scan import consistently, read_events
        from logflume.query.table import Table

        return Table(consistently(lambda: ask(partial(read_events, self._files()))))

    def _files(self) -> list[RunFiles]:
        from logflume.query.run_snapshot import Snapshot
        from logflume.query.scan import RunFiles

        found = [find_writers(folder) for folder in self._folders]
        ids = [next((w.state.run for w in writers if w.state), None) for writers in found]
        counts = Counter(ids)
        runs = []
        for folder, writers, run in zip(self._folders, found, ids, strict=True):
            name = str(folder) if run is not None and counts[run] > 1 else None
            is_current = self.attempts == "current" and is_continued(writers)
            runs.append(RunFiles([Snapshot(writer, name) for writer in writers], is_current))
        return runs


def is_continued(writers: Sequence[Writer]) -> bool:
    """Whether a run may have several attempts; one without a state may have any."""
    states = [writer.state for writer in writers if writer.state is not None]
    return not states or any(state.attempt > 0 for state in states)
