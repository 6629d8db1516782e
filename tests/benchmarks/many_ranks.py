"""A program that makes runs of many ranks, and measures the CPU time of commands on them.

    python -m tests.benchmarks.many_ranks --dir /data/ranks --ranks 8 64 250 1000

Two real processes train one run, with the default configuration, and are killed: rank 0 and rank 1.
The files of rank 1 are then copied for each further rank, with the rank in them changed. So every
rank has Parquet parts, a journal with events that no part has, and a state that says `running`.
Each command runs in a fresh process, and its CPU time is that of all threads and children, imports
included. `tail -f` follows the run until the ranks' locks, which this program holds, are released.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pyarrow as pa

from logflume.formats.parquet import list_parts, list_tables, write_file
from logflume.formats.parquet_file import ParquetFile
from logflume.runs.files import Writer
from logflume.runs.info import RunInfo
from logflume.runs.lock import acquire, find_holder

__all__ = ["COMMANDS", "cpu_s", "make_many_ranks", "make_one_rank_runs", "train"]

_ROOT = Path(__file__).parents[2]
_RANK = b'"rank":1,'

COMMANDS: dict[str, list[str]] = {
    "info": ["-c", "import sys, logflume; logflume.open_run(sys.argv[-1]).info"],
    "metrics": ["-c", "import sys, logflume; logflume.open_run(sys.argv[-1]).metrics()"],
    "metrics, wide": [
        "-c",
        "import sys, logflume; logflume.open_run(sys.argv[-1]).metrics('loss', 'rewards/*/mean', "
        "wide=True)",
    ],
    "outputs": ["-c", "import sys, logflume; logflume.open_run(sys.argv[-1]).outputs(worst=20)"],
    "show": ["-m", "logflume", "show"],
    "outputs on the shell": ["-m", "logflume", "outputs"],
    "tail -f": ["-m", "logflume", "tail", "-f"],
}
"""What is measured, by name: the arguments of Python, without the run's folder."""

_TRAINING = """
import random, sys, time
from pathlib import Path
import logflume

steps, unflushed, folder, rank = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
logflume.initialize(dir=folder, run="source")
random.seed(rank)
text = "the quick brown fox jumps over the lazy dog " * 10
for step in range(1, steps + unflushed + 1):
    logflume.set_step(step, "train")
    correct = [float(random.random() < 0.5) for _ in range(8)]
    brevity = [random.random() for _ in range(8)]
    rewards = {"rewards/correctness": correct, "rewards/brevity": brevity}
    rewards["rewards/total"] = [a + b for a, b in zip(correct, brevity)]
    logflume.get_logger("reward").info("reward", num_generations=8, **rewards)
    for index in range(8):
        logflume.get_logger("model").info(
            "model_output", question="1 + 1", model_output=text, prompt=text, group=0, index=index,
            completion_tokens=90, **{name: values[index] for name, values in rewards.items()})
    logflume.get_logger("metrics").info("generation", rows=8, generate_s=random.random())
    if rank == 0:
        logflume.get_logger("training").info(
            "training", loss=random.random(), reward=sum(rewards["rewards/total"]) / 8)
    if step % (steps // 3) == 0 and step <= steps:
        logflume.flush()
suffix = f"-rank{rank}" if rank else ""
journal = Path(folder, "source", f"events{suffix}.jsonl")
while f'"step":{steps + unflushed}'.encode() not in journal.read_bytes():
    time.sleep(0.02)
print("ready", flush=True)
time.sleep(600)
"""


def train(folder: Path, steps: int = 30, unflushed: int = 2) -> Path:
    """Train a run of two ranks, kill both, and return its folder.

    Args:
        folder: The folder that contains the run.
        steps: The steps that Parquet has, in three parts.
        unflushed: The steps that only the journals have.
    """
    for rank in (0, 1):
        command = [sys.executable, "-c", _TRAINING, str(steps), str(unflushed), str(folder)]
        environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"}
        environment |= {"LOGFLUME_RUN": "source", "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [*command, str(rank)], env=environment, stdout=subprocess.PIPE
        ) as process:
            if process.stdout is None or b"ready\n" not in iter(process.stdout.readline, b""):
                raise SystemExit("the training has ended early")
            _kill(process.pid, RunInfo(run="source", dir=folder, rank=rank))
    return folder / "source"


def _kill(pid: int, run: RunInfo) -> None:
    """Kill a training and its worker process, so that neither can write what the other lacks."""
    os.kill(pid, signal.SIGSTOP)
    holder = find_holder(run.expand("{dir}/{run}/run.lock"))
    if holder is not None and holder.worker_pid is not None:
        os.kill(holder.worker_pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def make_many_ranks(source: Path, folder: Path, ranks: int) -> Path:
    """Make a run of many ranks by copying rank 1 of a run of two, and return its folder.

    Args:
        source: The run of two ranks.
        folder: The folder to make.
        ranks: The number of ranks.
    """
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*-rank1*", "*.lock"))
    writer = Writer(source, "-rank1")
    tables = {
        part: _read(part)
        for table in list_tables(writer.parquet)
        for part in (
            writer.parquet / table / one.name for one in list_parts(writer.parquet / table)
        )
    }
    for rank in range(1, ranks):
        copy = Writer(folder, f"-rank{rank}")
        shutil.copyfile(source / writer.state_name, folder / copy.state_name)
        (folder / copy.lock_name).touch()
        for journal in writer.journals():
            lines = journal.read_bytes().splitlines(keepends=True)
            text = b"".join(line.replace(_RANK, b'"rank":%d,' % rank, 1) for line in lines)
            (folder / journal.name.replace("-rank1", f"-rank{rank}")).write_bytes(text)
        for path, table in tables.items():
            target = copy.parquet / path.relative_to(writer.parquet)
            target.parent.mkdir(parents=True, exist_ok=True)
            index = table.column_names.index("rank")
            own = table.set_column(index, "rank", pa.array([rank] * len(table), pa.int64()))
            write_file(target, own.schema, [own])
    return folder


def make_one_rank_runs(source: Path, folder: Path, runs: int) -> Path:
    """Make runs of one rank by copying rank 0 of a run, and return the folder of all.

    Their Parquet files have the id of the copied run; readers take the id from the state.
    """
    for number in range(runs):
        run = folder / f"run-{number:04d}"
        shutil.copytree(source, run, ignore=shutil.ignore_patterns("*-rank1*", "*.lock"))
        for name in ("run.json", "events.jsonl"):
            text = (run / name).read_text()
            (run / name).write_text(text.replace('"source"', f'"{run.name}"'))
    return folder


def _read(path: Path) -> pa.Table:
    with ParquetFile(path) as file:
        return file.read(file.schema_arrow.names)


def cpu_s(arguments: list[str], stdout: int | None = subprocess.DEVNULL) -> float:
    """Run Python, and return the CPU time of the process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"}
    subprocess.run([sys.executable, *arguments], check=False, env=environment, stdout=stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _follow_cpu_s(arguments: list[str], run: Path, seconds: float = 3.0) -> float:
    """Return the CPU time of a command that follows a run as long as it is live."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with ExitStack() as stack:
        for rank in count():
            lock = RunInfo(run=run.name, dir=run.parent, rank=rank).expand("{dir}/{run}/run.lock")
            if not (run / Writer(run, f"-rank{rank}" if rank else "").state_name).exists():
                break
            held = acquire(lock)
            if held is not None:
                stack.callback(held.release)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL
        ) as process:
            time.sleep(seconds)
            stack.close()
            process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Make the runs that don't exist yet, and print the CPU time of each command on each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", type=Path, default=Path("logs-ranks"), help="folder of the runs")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 64, 250, 1_000])
    parser.add_argument("--runs", type=int, default=1_000, help="number of runs of one rank")
    parser.add_argument("--only", nargs="*", help="only these commands")
    options = parser.parse_args()
    folder = options.dir.resolve()
    source = folder / "source"
    if not source.exists():
        train(folder)
    found: dict[str, dict[int, float]] = {}
    print(f"{'CPU seconds':26}" + "".join(f"{ranks:>9,}" for ranks in options.ranks))
    runs = {}
    for ranks in options.ranks:
        runs[ranks] = folder / "ranks" / f"ranks-{ranks}"
        if not runs[ranks].exists():
            make_many_ranks(source, runs[ranks], ranks)
    for name, arguments in COMMANDS.items():
        if options.only and name not in options.only:
            continue
        measure = _follow_cpu_s if name == "tail -f" else lambda given, _: cpu_s(given)
        found[name] = {n: measure([*arguments, str(run)], run) for n, run in runs.items()}
        print(f"{name:26}" + "".join(f"{seconds:9.2f}" for seconds in found[name].values()))
    many = folder / f"runs-{options.runs}"
    if not many.exists():
        make_one_rank_runs(source, many, options.runs)
    for name, where in (("runs, all of these", folder / "ranks"), ("runs, of one rank", many)):
        seconds = cpu_s(["-m", "logflume", "runs", str(where)])
        found[name] = {len(list(where.iterdir())): seconds}
        print(f"{name:26}{seconds:9.2f}")
    (folder / "many_ranks.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
