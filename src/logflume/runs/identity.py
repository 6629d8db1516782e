"""Which run this process belongs to: its id, attempt, rank and folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Mapping

from logflume.exceptions import ConfigError

__all__ = ["LATEST", "check_run_id", "find_rank", "find_run_id"]


LATEST = "latest"
"""The link to the newest run, beside the runs."""

_RANK_VARIABLES = (
    "RANK",  # torchrun, accelerate, DeepSpeed
    "OMPI_COMM_WORLD_RANK",  # Open MPI
    "PMIX_RANK",
    "PMI_RANK",  # MPICH, Intel MPI, Cray
    "MV2_COMM_WORLD_RANK",  # MVAPICH
    "SLURM_PROCID",  # last: what `mpirun` starts within a job inherits the one of the job's script
)

_MPI_JOB_VARIABLES = (
    "PMIX_NAMESPACE",  # Open MPI from version 3 on
    "OMPI_MCA_ess_base_jobid",
    "PMI_JOBID",  # Cray, and Slurm's PMI-2
    "I_MPI_HYDRA_UUID",  # Intel MPI
)

_LAUNCHED = ("TORCHELASTIC_RUN_ID", "PMI_RANK")
"""Set by launchers that may tell no job id: a plain torchrun, and MPICH."""

_SLURM_SPECIAL_STEPS = 0xFFFF_FFF0
"""Numbers from here on stand for the script of a job and the like."""


def check_run_id(run: str) -> None:
    """Check that a text can be a run id, for it names a folder.

    Raises:
        ConfigError: It can't.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=@:-]{0,127}", run):
        raise ConfigError(
            f"run: {run!r} can't be a run id: it names a folder\n"
            "  allowed: letters, digits and . _ + = @ : - (at most 128, a letter or digit first)"
        )
    if run == LATEST:
        raise ConfigError(
            f"run: {LATEST!r} can't be a run id: it is the link to the newest run\n"
            f"  to continue that one, give its id: the name of the folder that {LATEST!r} leads to"
        )


def find_rank(environ: Mapping[str, str] | None = None) -> int:
    """Return this process's rank as its launcher tells it (torchrun, MPI, Slurm), else 0."""
    environ = os.environ if environ is None else environ
    for name in _RANK_VARIABLES:
        value = environ.get(name, "")
        if value.isdecimal():
            return int(value)
    return 0


def find_run_id(environ: Mapping[str, str] | None = None) -> str:
    """Return `LOGFLUME_RUN`, else the launcher's job id, else the time and four random hex digits.

    All processes of one job must agree without a word between them. A plain `torchrun` and MPICH
    give their processes no job id; those of one machine have the launcher in common, so its
    start names the run. Over several machines `LOGFLUME_RUN` has to be set then.
    """
    environ = os.environ if environ is None else environ
    if run := environ.get("LOGFLUME_RUN"):
        return run
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", *_MPI_JOB_VARIABLES):
        job = environ.get(name, "none")
        if job not in ("", "none"):
            return job + _slurm_step(environ) if name == "SLURM_JOB_ID" else job
    for name in _LAUNCHED:
        if name in environ:
            return _name_after_launcher(name)
    return _stamp(time.time()) + "-" + secrets.token_hex(2)


def _slurm_step(environ: Mapping[str, str]) -> str:
    """Return `.1` for the second `srun` of a job, and so on: each may be a run of its own.

    The processes of Open MPI's `mpirun` have steps that differ from node to node.
    """
    step = environ.get("SLURM_STEP_ID", "")
    is_step = step.isdecimal() and 0 < int(step) < _SLURM_SPECIAL_STEPS
    return f".{step}" if is_step and "OMPI_COMM_WORLD_RANK" not in environ else ""


def _name_after_launcher(variable: str) -> str:
    """Return a run id made of the start of the process that set a variable for its children.

    It is the nearest ancestor without it: a script may stand between the launcher and Python.
    """
    import psutil

    launcher = psutil.Process(os.getppid())
    with contextlib.suppress(psutil.Error):
        while variable in launcher.environ() and (above := launcher.parent()):
            launcher = above
    started_s = launcher.create_time()
    mark = hashlib.sha256(f"{launcher.pid} {started_s}".encode()).hexdigest()[:4]
    return _stamp(started_s) + "-" + mark


def _stamp(time_s: float) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(time_s))
