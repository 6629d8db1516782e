"""The file `run.json` of a run's folder: what the next attempt has to know.

Each rank has its own, `run-rank<r>.json` for r > 0, since processes never coordinate; so does
an attempt beside another one, `run-attempt<n>.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from logflume.exceptions import RunError
from logflume.runs.info import RunInfo

__all__ = ["RunState"]


class RunState(msgspec.Struct, kw_only=True):
    """What is kept of a run beside its events.

    Attributes:
        run: Run id.
        attempt: The latest attempt.
        started: When that attempt began, RFC 3339.
        status: `running`, or how it ended.
        kinds: Kinds of the undeclared fields, by event type: they hold for the whole run.
        whole: By sink, how many attempts, from the first on, it is known to have in full.
        complete: By output (`parquet`: its path in the run's folder) how many attempts, from the
            first on, it has every event of. Readers can do without the journal there.
    """

    run: str
    attempt: int
    started: str
    status: str = "running"
    kinds: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)
    whole: dict[str, int] = msgspec.field(default_factory=dict)
    complete: dict[str, int] = msgspec.field(default_factory=dict)

    @staticmethod
    def path(run: RunInfo) -> Path:
        """Return where the state of this run and rank is kept."""
        return run.expand("{dir}/{run}/run.json")

    @classmethod
    def load(cls, path: Path) -> RunState | None:
        """Read the state that an earlier attempt left; None where there is none.

        Raises:
            RunError: There is a file, but it can't be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RunError(
                f"{path}: the state of the run can't be read ({error}). "
                "Choose another run id, or remove the file to start attempt 0."
            ) from error

    def note_whole(self, sinks: Iterable[str]) -> None:
        """Note that these sinks have everything, this attempt included."""
        self.whole |= dict.fromkeys(sinks, self.attempt + 1)

    def note_complete(self, outputs: Iterable[str]) -> None:
        """Note that these outputs have every event of this attempt.

        One that lacks something of an earlier attempt stays where it was.
        """
        for output in outputs:
            if self.complete.get(output, 0) == self.attempt:
                self.complete[output] = self.attempt + 1

    def save(self, run: RunInfo) -> None:
        """Write the state in one step: a reader sees the old file or the new one.

        Raises:
            RunError: The folder can't be written to.
        """
        path = self.path(run)
        draft = path.with_suffix(".json.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
            draft.replace(path)
        except OSError as error:
            raise RunError(f"{path.parent}: runs can't be written here: {error}") from error
