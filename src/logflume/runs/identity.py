"""Determines the run id and rank of this process from its environment."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping

from logflume.exceptions import ConfigError

__all__ = [
    "LATEST",
    "check_run_id",
    "find_division",
    "find_local_rank",
    "find_rank",
    "find_run_id",
    "random_run_id",
]


LATEST = "latest"
"""Name of the symbolic link to the newest run, in the folder that contains the runs."""

_RANK_VARIABLES = (
    "RANK",  # torchrun, accelerate, DeepSpeed
    "OMPI_COMM_WORLD_RANK",  # Open MPI
    "PMIX_RANK",
    "PMI_RANK",  # MPICH, Intel MPI, Cray
    "MV2_COMM_WORLD_RANK",  # MVAPICH
    "SLURM_PROCID",  # last: processes that `mpirun` starts in a job inherit the job script's value
)

_MPI_JOB_VARIABLES = (
    "PMIX_NAMESPACE",  # Open MPI from version 3 on
    "OMPI_MCA_ess_base_jobid",
    "PMI_JOBID",  # Cray, and Slurm's PMI-2
    "I_MPI_HYDRA_UUID",  # Intel MPI
)

_LAUNCHER_VARIABLES = ("TORCHELASTIC_RUN_ID", "PMI_RANK")
"""Set by launchers that may not provide a job id: a plain torchrun, and MPICH."""

_WORLD_SIZE_VARIABLES = (
    "WORLD_SIZE",  # torchrun, accelerate, DeepSpeed
    "OMPI_COMM_WORLD_SIZE",
    "PMI_SIZE",
    "MV2_COMM_WORLD_SIZE",
)

_LOCAL_SIZE_VARIABLES = (
    "LOCAL_WORLD_SIZE",  # torchrun
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS",  # MPICH
    "MV2_COMM_WORLD_LOCAL_SIZE",
)

_LOCAL_RANK_VARIABLES = (
    "LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
)

_DIVISION = (
    "the {size} processes of this job don't share an id, so each {unit} writes a run of its own. "
    "Set LOGFLUME_RUN to the same id for every process, or give torchrun an --rdzv-id"
)

_SLURM_SPECIAL_STEPS = 0xFFFF_FFF0
"""Step ids from here on are reserved, for the batch script of a job and the like."""


def check_run_id(run: str) -> None:
    """Check that a text is a valid run id. A run id is also the name of a folder.

    Raises:
        ConfigError: It is not.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=@:-]{0,127}", run):
        raise ConfigError(
            f"run: {run!r} is not a valid run id: a run id is also the name of a folder\n"
            "  allowed: letters, digits and . _ + = @ : - (at most 128, a letter or digit first)"
        )
    if run == LATEST:
        raise ConfigError(
            f"run: {LATEST!r} is not a valid run id: it is the name of the link to the newest run\n"
            f"  to continue that run, give its id: the name of the folder that {LATEST!r} points to"
        )


def find_rank(environ: Mapping[str, str] | None = None) -> int:
    """Return the rank of this process as set by its launcher (torchrun, MPI, Slurm), else 0."""
    environ = os.environ if environ is None else environ
    return _find_number(environ, _RANK_VARIABLES) or 0


def find_local_rank(environ: Mapping[str, str] | None = None) -> int:
    """Return the rank of this process on its machine, as set by its launcher.

    If the launcher doesn't set it, this is the rank, as on a single machine.
    """
    environ = os.environ if environ is None else environ
    # Slurm's variable is the last one, as for the rank.
    local = _find_number(environ, (*_LOCAL_RANK_VARIABLES, "SLURM_LOCALID"))
    return find_rank(environ) if local is None else local


def find_run_id(environ: Mapping[str, str] | None = None) -> str | None:
    """Return `LOGFLUME_RUN`, else the launcher's job id; None if the process has none.

    All processes of a job must agree on the id without communicating. A plain `torchrun` and
    MPICH don't set a job id, so the id is derived from the start time of the launcher, which all
    processes on one machine have in common. On several machines, `LOGFLUME_RUN` must be set in that
    case.
    """
    environ = os.environ if environ is None else environ
    if run := _find_shared_id(environ):
        return run
    for name in _LAUNCHER_VARIABLES:
        if name in environ:
            return _run_id_from_launcher(name)
    return None


def find_division(environ: Mapping[str, str] | None = None) -> str | None:
    """Return why the processes of this job write several runs instead of one; None if they don't.

    Only the first process of each run gets the reason, so that it is reported once.
    """
    environ = os.environ if environ is None else environ
    size = _find_number(environ, _WORLD_SIZE_VARIABLES) or 1
    if size == 1 or _find_shared_id(environ):
        return None
    if not any(name in environ for name in _LAUNCHER_VARIABLES):
        return _DIVISION.format(size=size, unit="of them")
    if size == (_find_number(environ, _LOCAL_SIZE_VARIABLES) or size):
        return None
    is_first = not _find_number(environ, _LOCAL_RANK_VARIABLES)
    return _DIVISION.format(size=size, unit="machine") if is_first else None


def _find_number(environ: Mapping[str, str], names: Iterable[str]) -> int | None:
    """Return the first number among these variables."""
    values = (environ.get(name, "") for name in names)
    return next((int(value) for value in values if value.isdecimal()), None)


def _find_shared_id(environ: Mapping[str, str]) -> str | None:
    """Return the id that all processes of the job have in their environment; None without one."""
    if run := environ.get("LOGFLUME_RUN"):
        return run
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", *_MPI_JOB_VARIABLES):
        job = environ.get(name, "none")
        if job not in ("", "none"):
            return job + _slurm_step(environ) if name == "SLURM_JOB_ID" else job
    return None


def random_run_id() -> str:
    """Return the time and four random hex digits, which may clash with the id of another run."""
    return _timestamp(time.time()) + "-" + secrets.token_hex(2)


def _slurm_step(environ: Mapping[str, str]) -> str:
    """Return `.1` for the second `srun` of a job, and so on: each may be a separate run.

    Under Open MPI's `mpirun` the step is ignored, because it differs from node to node.
    """
    step = environ.get("SLURM_STEP_ID", "")
    is_step = step.isdecimal() and 0 < int(step) < _SLURM_SPECIAL_STEPS
    return f".{step}" if is_step and "OMPI_COMM_WORLD_RANK" not in environ else ""


def _run_id_from_launcher(variable: str) -> str:
    """Return a run id derived from the process that set a variable for its children.

    That process is the nearest ancestor without the variable: a shell script may run between the
    launcher and Python.
    """
    import psutil

    launcher = psutil.Process(os.getppid())
    with contextlib.suppress(psutil.Error):
        while variable in launcher.environ() and (parent := launcher.parent()):
            launcher = parent
    started_s = launcher.create_time()
    digest = hashlib.sha256(f"{launcher.pid} {started_s}".encode()).hexdigest()[:4]
    return _timestamp(started_s) + "-" + digest


def _timestamp(time_s: float) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(time_s))
