"""The run id, rank and paths of a process."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logflume.runs.identity import find_division, find_rank, find_run_id, random_run_id
from logflume.runs.info import RunInfo


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, 0),
        ({"RANK": "3"}, 3),
        ({"SLURM_PROCID": "2"}, 2),
        ({"OMPI_COMM_WORLD_RANK": "1"}, 1),
        ({"RANK": "1", "SLURM_PROCID": "2"}, 1),
        ({"RANK": "", "PMI_RANK": "4"}, 4),
        ({"PMIX_RANK": "5"}, 5),
        ({"MV2_COMM_WORLD_RANK": "6"}, 6),
        # In a Slurm job, all processes that `mpirun` starts inherit the script's SLURM_PROCID.
        ({"SLURM_PROCID": "0", "OMPI_COMM_WORLD_RANK": "7"}, 7),
        ({"RANK": "-1"}, 0),
        ({"RANK": "x"}, 0),
    ],
)
def test_rank_from_the_launcher(environ: dict[str, str], rank: int) -> None:
    """torchrun, Slurm and MPI set the rank; without a launcher it is 0."""
    assert rank == find_rank(environ)


@pytest.mark.parametrize(
    ("environ", "run"),
    [
        ({"LOGFLUME_RUN": "mine", "SLURM_JOB_ID": "7"}, "mine"),
        ({"SLURM_JOB_ID": "7"}, "7"),
        ({"TORCHELASTIC_RUN_ID": "job", "SLURM_JOB_ID": "7"}, "job"),
        ({"TORCHELASTIC_RUN_ID": "none", "SLURM_JOB_ID": "7"}, "7"),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0"}, "7"),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "1"}, "7.1"),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "4294967291"}, "7"),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "1", "OMPI_COMM_WORLD_RANK": "0"}, "7"),
        ({"PMIX_NAMESPACE": "prterun-node-12@1"}, "prterun-node-12@1"),
        ({"OMPI_MCA_ess_base_jobid": "3285057537"}, "3285057537"),
        ({"PMI_JOBID": "12", "PMI_RANK": "0"}, "12"),
        ({"I_MPI_HYDRA_UUID": "9d260000-7c26", "PMI_RANK": "1"}, "9d260000-7c26"),
    ],
)
def test_run_id_from_the_launcher(environ: dict[str, str], run: str) -> None:
    """The run id is `LOGFLUME_RUN`, else the id of the job, so that all processes agree."""
    assert run == find_run_id(environ)


def test_run_id_without_a_launcher() -> None:
    """Without a launcher the id is the time and four random hex digits, and differs each time."""
    runs = {random_run_id() for _ in range(20)}

    assert find_run_id({}) is None
    assert 1 < len(runs)
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", run) for run in runs)


@pytest.mark.parametrize("between", ["", "sh -c '\"$@\"; true' sh"])
@pytest.mark.parametrize("variables", [{"TORCHELASTIC_RUN_ID": "none"}, {"PMI_RANK": "0"}])
def test_processes_of_one_launcher_agree(variables: dict[str, str], between: str) -> None:
    """Processes of a plain `torchrun` or MPICH, which set no job id, still find the same run id.

    They may start at different times, and a script may run between the launcher and Python.
    """
    script = "from logflume.runs.identity import find_run_id; print(find_run_id())"
    environ = {k: v for k, v in os.environ.items() if k not in ("LOGFLUME_RUN", "SLURM_JOB_ID")}
    runs = {
        subprocess.run(
            [*shlex.split(between), sys.executable, "-c", script],
            env={**environ, **variables},
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    }

    assert 1 == len(runs)
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}\n", runs.pop())


TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}


@pytest.mark.parametrize(
    ("environ", "unit"),
    [
        ({**TORCHRUN, "RANK": "0", "LOCAL_RANK": "0"}, "machine"),
        ({**TORCHRUN, "RANK": "8", "LOCAL_RANK": "0"}, "machine"),
        ({**TORCHRUN, "RANK": "9", "LOCAL_RANK": "1"}, None),
        ({**TORCHRUN, "WORLD_SIZE": "8"}, None),
        ({**TORCHRUN, "WORLD_SIZE": "x"}, None),
        ({**TORCHRUN, "TORCHELASTIC_RUN_ID": "job"}, None),
        ({**TORCHRUN, "LOGFLUME_RUN": "mine"}, None),
        ({**TORCHRUN, "SLURM_JOB_ID": "7"}, None),
        ({"PMI_RANK": "0", "PMI_SIZE": "4", "MPI_LOCALNRANKS": "2"}, "machine"),
        ({"PMI_RANK": "0", "PMI_SIZE": "4", "MPI_LOCALNRANKS": "4"}, None),
        ({"RANK": "1", "WORLD_SIZE": "2"}, "of them"),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "4", "PMIX_NAMESPACE": "prterun-node-12@1"}, None),
        ({}, None),
    ],
)
def test_a_job_without_a_common_id(environ: dict[str, str], unit: str | None) -> None:
    """The first process of each run gets the reason, which names the variable to set."""
    reason = find_division(environ)

    assert (reason is not None) == (unit is not None)
    if reason is not None:
        assert f"each {unit} writes a run of its own" in reason
        assert "LOGFLUME_RUN" in reason


@pytest.mark.parametrize("sinks", [{}, {"console": {}}])
def test_the_warning(sinks: dict[str, Any], tmp_path: Path) -> None:
    """One line on standard error warns of it, and not if the run has an id."""
    sinks = {"jsonl": {"path": "{dir}/{run}/events.jsonl"}, **sinks}
    config = {"root": {"sinks": list(sinks)}, "sinks": sinks}
    script = f"import logflume; logflume.initialize({config!r}, dir={str(tmp_path)!r})"
    environ = {**os.environ, **TORCHRUN, "RANK": "0", "LOCAL_RANK": "0"}
    for name in ("LOGFLUME_RUN", "SLURM_JOB_ID"):
        environ.pop(name, None)
    lines = []
    for run in ({}, {"LOGFLUME_RUN": "r"}):
        done = subprocess.run(
            [sys.executable, "-c", script], env={**environ, **run}, capture_output=True, text=True
        )
        lines.append([line for line in done.stderr.splitlines() if "LOGFLUME_RUN" in line])

    assert [1, 0] == list(map(len, lines))


@pytest.mark.parametrize(
    ("pattern", "rank", "expected"),
    [
        ("{dir}/{run}/events.jsonl", 0, "logs/a/events.jsonl"),
        ("{dir}/{run}/events.jsonl", 2, "logs/a/events-rank2.jsonl"),
        ("{dir}/{run}/parquet", 2, "logs/a/parquet-rank2"),
        ("{dir}/{rank}/events.jsonl", 2, "logs/2/events.jsonl"),
        ("{dir}/gemma_training.log", 0, "logs/gemma_training.log"),
        ("/abs/x.tar.gz", 1, "/abs/x.tar-rank1.gz"),
    ],
)
def test_paths(pattern: str, rank: int, expected: str) -> None:
    """Placeholders in a path are replaced, and no two ranks share a file."""
    run = RunInfo(run="a", rank=rank)

    assert Path(expected) == run.expand(pattern)
    assert Path("logs/a") == run.folder
