"""The run state, `run.json`: what the next attempt needs to know.

Processes don't coordinate, so each rank r > 0 has its own file, `run-rank<r>.json`, and so does a
concurrent attempt, `run-attempt<n>.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from logflume.events.times import to_microseconds
from logflume.exceptions import RunError
from logflume.runs.description import RunDescription
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import open_file, read_file

__all__ = ["STATE_FILE", "RunState"]

STATE_FILE = "{dir}/{run}/run.json"
"""Path of the state of a run, for `RunInfo.expand`."""

MAX_ATTEMPT = 1_000_000_000
"""Maximum number of an attempt: a higher one is damage, and would not fit into file names."""

_MAX_BYTES = 64 * 2**20
"""Maximum size of a state, enough for the kinds of a million fields."""


class RunState(msgspec.Struct, kw_only=True):
    """The state of a run that is stored in addition to its events.

    Attributes:
        run: Run id.
        attempt: The latest attempt.
        started: When that attempt started, RFC 3339.
        status: `running`, or how it ended.
        kinds: Kinds of the undeclared fields, by event type. They are fixed for the whole run.
        whole: By sink: the number of attempts, counted from the first, that the sink is known to
            have in full.
        complete: By output (such as `parquet`, its path in the run's folder): the number of
            attempts, counted from the first, of which it has every event. Readers don't need the
            journal for these.
        parts: By complete output and event type: the names of its Parquet parts at the end, from
            which readers notice missing parts.
        hyperparameters, tags, notes: What `initialize` was given about the run, see
            `RunDescription`.
    """

    run: str
    attempt: Annotated[int, msgspec.Meta(ge=0, le=MAX_ATTEMPT)]
    started: str
    status: str = "running"
    kinds: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)
    whole: dict[str, int] = msgspec.field(default_factory=dict)
    complete: dict[str, int] = msgspec.field(default_factory=dict)
    parts: Mapping[str, Mapping[str, list[str]]] = msgspec.field(default_factory=dict)
    hyperparameters: dict[str, Any] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    notes: str | None = None

    @property
    def started_ns(self) -> int:
        """When the attempt started, in nanoseconds since 1970."""
        return to_microseconds(self.started) * 1000

    @property
    def description(self) -> RunDescription:
        """How the user describes the run."""
        return RunDescription(
            hyperparameters=self.hyperparameters, tags=self.tags, notes=self.notes
        )

    @staticmethod
    def path(run: RunInfo) -> Path:
        """Return the path of the state file of this run and rank."""
        return run.expand(STATE_FILE)

    @classmethod
    def load(cls, path: Path) -> RunState | None:
        """Read the state that an earlier attempt saved; None if there is none.

        Raises:
            RunError: The file exists, but can't be read.
        """
        try:
            state = msgspec.json.decode(read_file(path, _MAX_BYTES), type=cls)
            to_microseconds(state.started)
            return state
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(
                f"{path}: the state of the run can't be read ({error}). "
                "Choose another run id, or remove the file to start at attempt 0."
            ) from error

    def note_whole(self, sinks: Iterable[str]) -> None:
        """Record that these sinks have everything, including this attempt."""
        self.whole |= dict.fromkeys(sinks, self.attempt + 1)

    def note_complete(self, outputs: Iterable[str]) -> None:
        """Record that these outputs have every event of this attempt.

        The count of an output that lacks events of an earlier attempt is not changed.
        """
        for output in outputs:
            if self.complete.get(output, 0) == self.attempt:
                self.complete[output] = self.attempt + 1

    def note_losses(self, sinks: Iterable[str], outputs: Iterable[str]) -> None:
        """Record that events are missing in these sinks and outputs, perhaps of any attempt."""
        for sink in sinks:
            self.whole.pop(sink, None)
        for output in outputs:
            self.complete.pop(output, None)

    def save(self, run: RunInfo) -> None:
        """Write the state atomically: a reader sees the old file or the new one.

        Raises:
            RunError: The folder can't be written.
        """
        path = self.path(run)
        draft = path.with_suffix(".json.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(draft, "wb", opener=open_file) as file:
                file.write(msgspec.json.format(msgspec.json.encode(self)))
            draft.replace(path)
        except OSError as error:
            raise RunError(f"{path.parent}: runs can't be written here: {error}") from error
