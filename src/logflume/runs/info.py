"""TODO."""

from __future__ import annotations

from pathlib import Path

import msgspec

__all__ = ["RunInfo"]


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a run, as sinks are given it.

    Attributes:
        run: Run id, the same for all ranks and attempts.
        attempt: 0, then 1, 2 … each time the run is resumed.
        rank: Process rank, 0 on one machine.
        dir: Where runs live; the run's own folder is `folder`.
        process: Tag of a forked child, `pid<pid>`; None in every other process.
        apart: Whether another process writes the run and rank, too, as another attempt: then the
            files of this one bear the number of its attempt.
    """

    run: str
    attempt: int = 0
    rank: int = 0
    dir: Path = Path("logs")
    process: str | None = None
    apart: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.dir / self.run

    def expand(self, pattern: str) -> Path:
        """Fill `{dir}`, `{run}` and `{rank}` in a path of the configuration.

        What else tells processes of a run apart comes before the suffix, so that no two share
        a file: the rank above 0, the tag of a forked child, the attempt beside another.

        >>> RunInfo(run="a", rank=2).expand("{dir}/{run}/events.jsonl").as_posix()
        'logs/a/events-rank2.jsonl'
        """
        text = pattern
        for name, value in (("dir", self.dir), ("run", self.run), ("rank", self.rank)):
            text = text.replace("{" + name + "}", str(value))
        path = Path(text)
        marks = [f"attempt{self.attempt}"] if self.apart else []
        if self.process is not None:
            marks.append(self.process)
        if self.rank != 0 and "{rank}" not in pattern:
            marks.append(f"rank{self.rank}")
        return path.with_name("-".join([path.stem, *marks]) + path.suffix) if marks else path
