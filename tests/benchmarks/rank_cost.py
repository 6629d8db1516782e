"""A program that measures what the ranks of a machine cost: calls, bytes and files, and memory.

    python -m tests.benchmarks.rank_cost

It needs `strace`. Rank 1 of a machine logs 180 steps of a second each, with the default
configuration and 12 events a step, 8 of them completions of 1 kB. Counted are the system calls of
all its processes with a path below the run's folder, and the bytes that they write there. With
`--memory N` it starts N ranks instead, and prints the proportional set size (PSS) of their worker
processes, and of all processes, after 20 steps.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import psutil

__all__ = ["count_calls", "measure_memory"]

_TRAINING = """
import sys, time
import logflume

steps, pause_s, folder = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
logflume.initialize(dir=folder, run="r")
text = "the quick brown fox jumps over the lazy dog. " * 22
for step in range(1, steps + 1):
    logflume.set_step(step, "train")
    logflume.log_reward_metrics(step, {"right": [0.5] * 8, "form": [1.0] * 8}, num_generations=8)
    for index in range(8):
        logflume.log_model_output("1 + 1?", "2", text, rewards={"total": 1.5}, index=index)
    for name in ("generation", "system", "rank"):
        logflume.get_logger("metrics").info(name, generate_s=0.5, rewards_s=0.1, step_s=1.0)
    time.sleep(pause_s)
print("logged", flush=True)
sys.stdin.read()
logflume.shutdown()
"""


def _start(rank: int, ranks: int, steps: int, pause_s: float, folder: str, *prefix: str) -> _Rank:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LOGFLUME_RUN": "r"}
    environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    arguments = [sys.executable, "-c", _TRAINING, str(steps), str(pause_s), folder]
    return subprocess.Popen(
        [*prefix, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


_Rank = subprocess.Popen[bytes]


def _wait_until_logged(process: _Rank) -> None:
    if process.stdout is None or b"logged\n" not in iter(process.stdout.readline, b""):
        raise SystemExit("a rank has ended early")


def _end(process: _Rank) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


_WRITTEN = re.compile(r"^\d+ +(?:\S+ )?p?writev?(?:64)?\(\d+<([^>]*)>.* = (\d+)")


def count_calls(steps: int, pause_s: float) -> dict[str, float]:
    """Return what rank 1 of a machine costs: per step the calls and bytes, and its files.

    Args:
        steps: The number of steps.
        pause_s: How long a step takes, in seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace")
        calls = "trace=%file,write,pwrite64,writev"
        process = _start(
            *(1, 2, steps, pause_s, f"{folder}/logs"),
            *("strace", "-f", "-y", "-qq", "-s", "4096", "-e", calls, "-o", str(trace)),
        )
        _wait_until_logged(process)
        _end(process)
        run = Path(folder, "logs", "r")
        with_path, written_bytes = _sum_trace(trace.read_text(errors="replace").splitlines(), run)
        files = sum(path.is_file() for path in run.rglob("*"))
        return {
            "calls with a path, a step": with_path / steps,
            "kB written, a step": written_bytes / 1_000 / steps,
            "files at the end": files,
        }


def _sum_trace(lines: Iterable[str], run: Path) -> tuple[int, int]:
    """Return the number of calls with a path in the run's folder, and the bytes written there."""
    with_path = written_bytes = 0
    for line in lines:
        if match := _WRITTEN.search(line):
            written_bytes += int(match[2]) * match[1].startswith(f"{run}/")
        else:
            with_path += f'"{run}' in line  # not those with the descriptor of an open file
    return with_path, written_bytes


def measure_memory(ranks: int) -> dict[str, float]:
    """Return the memory of several ranks of a machine, in MB, after 20 steps.

    Args:
        ranks: The number of ranks.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        processes = [_start(rank, ranks, 20, 0.1, folder) for rank in range(ranks)]
        for process in processes:
            stack.callback(_end, process)
            _wait_until_logged(process)
        time.sleep(2)  # what the workers still have to do
        trainings = [psutil.Process(process.pid) for process in processes]
        workers = [child for one in trainings for child in one.children(recursive=True)]
        return {
            f"MB of {len(workers)} worker processes": sum(map(_pss_mb, workers)),
            f"MB of all {len(workers) + ranks}": sum(map(_pss_mb, [*trainings, *workers])),
        }


def _pss_mb(process: psutil.Process) -> float:
    return process.memory_full_info().pss / 1_000_000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=180)
    parser.add_argument("--pause-s", type=float, default=1.0, help="duration of a step")
    parser.add_argument("--memory", type=int, metavar="N", help="the memory of N ranks instead")
    options = parser.parse_args()
    if options.memory:
        found = measure_memory(options.memory)
    else:
        found = count_calls(options.steps, options.pause_s)
    for name, value in found.items():
        print(f"{name:32}{value:10.1f}")


if __name__ == "__main__":
    main()
