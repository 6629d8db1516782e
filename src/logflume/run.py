"""Which run this process belongs to: its id, attempt, rank and folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["RunInfo", "find_rank", "find_run_id"]

_RANK_VARIABLES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
_JOB_VARIABLES = ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID")


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a run, as sinks are given it.

    Attributes:
        run: Run id, the same for all ranks and attempts.
        attempt: 0, then 1, 2 … each time the run is resumed.
        rank: Process rank, 0 on one machine.
        dir: Where runs live; the run's own folder is `folder`.
    """

    run: str
    attempt: int = 0
    rank: int = 0
    dir: Path = Path("logs")

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.dir / self.run

    def expand(self, pattern: str) -> Path:
        """Fill `{dir}`, `{run}` and `{rank}` in a path of the configuration.

        Ranks above 0 get `-rank<r>` before the suffix, so that no two processes share a file:

        >>> RunInfo(run="a", rank=2).expand("{dir}/{run}/events.jsonl").as_posix()
        'logs/a/events-rank2.jsonl'
        """
        text = pattern
        for name, value in (("dir", self.dir), ("run", self.run), ("rank", self.rank)):
            text = text.replace("{" + name + "}", str(value))
        path = Path(text)
        if self.rank == 0 or "{rank}" in pattern:
            return path
        return path.with_name(f"{path.stem}-rank{self.rank}{path.suffix}")


def find_rank(environ: Mapping[str, str] | None = None) -> int:
    """Return this process's rank as its launcher tells it (torchrun, Slurm, MPI), else 0."""
    environ = os.environ if environ is None else environ
    for name in _RANK_VARIABLES:
        value = environ.get(name, "")
        if value.isdecimal():
            return int(value)
    return 0


def find_run_id(environ: Mapping[str, str] | None = None) -> str:
    """Return `LOGFLUME_RUN`, else the launcher's job id, else the time and four random hex digits.

    All processes of one job must agree without a word between them. A plain `torchrun`
    gives its workers no job id; they have their parent in common, so its start names the run.
    """
    environ = os.environ if environ is None else environ
    if run := environ.get("LOGFLUME_RUN"):
        return run
    for name in _JOB_VARIABLES:
        job = environ.get(name, "none")
        if job not in ("", "none"):
            return job
    if "TORCHELASTIC_RUN_ID" in environ:
        import psutil

        parent = psutil.Process(os.getppid())
        started_s = parent.create_time()
        mark = hashlib.sha256(f"{parent.pid} {started_s}".encode()).hexdigest()[:4]
        return _stamp(started_s) + "-" + mark
    return _stamp(time.time()) + "-" + secrets.token_hex(2)


def _stamp(time_s: float) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(time_s))
