"""The identity of a run: its id, attempt, rank and folder."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

__all__ = ["RunInfo"]


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a run, as passed to sinks.

    Attributes:
        run: Run id, the same for all ranks and attempts.
        attempt: 0 at first, then 1, 2 … each time the run is continued.
        rank: Rank of the process, 0 on one machine.
        local_rank: Rank of the process on its machine; 0 for readers of a run, which don't know it.
        dir: The folder that contains the runs; the run's own folder is `folder`.
        process: Tag of a forked child, `pid<pid>`; None in every other process.
        is_concurrent: Whether this is a concurrent attempt: another process writes the same run
            and rank, so the attempt's number is part of the file names.
        working_dir: The base of relative paths in the configuration. `initialize()` makes it and
            `dir` absolute, because the training may change its working directory later.
        first_seq: The `seq` of the first event that the pipeline writes; above 0 if a thread took
            over from a worker process in the middle of the attempt.
        folder_name: The name of the run's folder if it was renamed; None: the run id.
    """

    run: str
    attempt: int = 0
    rank: int = 0
    local_rank: int = 0
    dir: Path = Path("logs")
    process: str | None = None
    is_concurrent: bool = False
    working_dir: Path = Path()
    first_seq: int = 0
    folder_name: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.dir / (self.folder_name or self.run)

    def expand(self, pattern: str) -> Path:
        """Replace `{dir}`, `{run}` and `{rank}` in a configured path.

        To keep the processes of a run from sharing a file, the file name also gets the number of
        a concurrent attempt, the tag of a forked child, and a rank above 0, before its suffix.

        >>> RunInfo(run="a", rank=2).expand("{dir}/{run}/events.jsonl").as_posix()
        'logs/a/events-rank2.jsonl'
        """
        values = {"dir": str(self.dir), "run": self.run, "rank": str(self.rank)}
        # Replaced in one pass, because the name of the folder may contain braces.
        path = self.working_dir / re.sub("{(dir|run|rank)}", lambda m: values[m[1]], pattern)
        tags = [f"attempt{self.attempt}"] if self.is_concurrent else []
        if self.process is not None:
            tags.append(self.process)
        if self.rank != 0 and "{rank}" not in pattern:
            tags.append(f"rank{self.rank}")
        return path.with_name("-".join([path.stem, *tags]) + path.suffix) if tags else path
