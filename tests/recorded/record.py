"""Record the runs of this version: `python -m tests.recorded.record NAME`.

It writes `tests/recorded/NAME/runs` with every sink: `continued` has an attempt that was killed and
one that finished, a journal in several files and a forked child; `killed` was killed and never
opened again. `answers.json` beside them is what this version says of both. A recording is made once
and never changed: it stands for the files that users of that version have.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import logflume

RECORDINGS = Path(__file__).parent

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["log_file", "jsonl", "parquet", "tensorboard"]},
    "loggers": {"model": {"sinks": ["jsonl", "parquet", "outputs", "tensorboard"]}},
    "processors": ["tag_step", "flatten_rewards"],
    "sinks": {
        "log_file": {"type": "console", "path": "{dir}/{run}/training.log"},
        "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 12_000},
        "outputs": {"type": "csv", "path": "{dir}/{run}/outputs.csv", "events": ["model_output"]},
        "parquet": {"path": "{dir}/{run}/parquet", "rotate_s": 3600, "rotate_events": 20},
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}


LOGGED = 84
"""Calls of the attempts that are killed."""


def start(folder: Path, run: str, worker: str = "thread") -> Path:
    """Start a run, or its next attempt, and return its folder."""
    return logflume.initialize({**CONFIG, "worker": worker}, dir=folder, run=run).folder


def log_steps(steps: range) -> None:
    """Log what a training logs, and some values that are hard to write down."""
    log = logflume.get_training_logger()
    for step in steps:
        logflume.set_step(step, "train")
        loss = math.nan if step == 3 else 1 / (step + 1)
        logflume.log_training_progress(step, {"loss": loss, "learning_rate": 1e-5})
        logflume.log_reward_metrics(step, {"right": [1.0, None, math.inf], "form": [0.5] * 3})
        for index in range(3):
            logflume.log_model_output(
                "1 + 1?",
                "2",
                f'=so "{step}",\nis it {index}\x1b[31m 🎉',
                answer=str(index),
                rewards={"right": float(index == 2), "total": index / 2},
                index=index,
            )
        log.info("odd", note=None, texts=["a", None], nothing=[], big=2**60)
        log.info("odd", note=step if step % 2 else "text", late=[None, step * 1.5])
    log.warning("Learning rate may be too high")


def _fork_child() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)
    pid = os.fork()
    if pid == 0:
        for number in range(5):
            logflume.get_logger().info("from_child", number=number)
        logflume.shutdown()
        os._exit(0)
    os.waitpid(pid, 0)


def _be_killed() -> None:
    """Kill this process when the journal has everything, and Parquet only a part of it."""
    assert logflume.flush()
    log_steps(range(4, 6))
    for _ in range(40):
        logflume.get_metrics_logger().info("beat", value=1.0)
    while not _is_written("jsonl"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def _is_written(sink: str) -> bool:
    report = logflume.report()
    assert report is not None
    return report.accepted >= LOGGED and report.sinks[sink]["written"] >= report.accepted


def _write(folder: Path, part: str) -> None:
    match part:
        case "first":
            start(folder, "continued")
            log_steps(range(4))
            _fork_child()
            _be_killed()
        case "second":
            start(folder, "continued", "process")
            log_steps(range(2, 8))
            logflume.shutdown()
        case "killed":
            start(folder, "killed")
            log_steps(range(4))
            _be_killed()


def describe(folder: Path) -> dict[str, Any]:
    """Return what this version answers about a run, by its public interface only."""
    run = logflume.open_run(folder)
    every = logflume.open_run(folder, attempts="all")
    completions = run.outputs().to_pylist()
    losses = run.metrics("loss").to_pylist()
    return {
        "events": {name: every.events(name).num_rows for name in sorted(every.types())},
        "latest": {name: run.events(name).num_rows for name in sorted(run.types())},
        "positions": sorted([e["attempt"], e["seq"], e.get("process", "")] for e in every),
        "losses": sorted((row["step"], repr(row["value"])) for row in losses),
        "completions": sorted((c["step"], c["index"], c["model_output"]) for c in completions),
        "doctor": doctor(folder),
    }


def doctor(folder: Path, *options: str) -> list[str]:
    """Return the files that the doctor complains about, as its users call it."""
    done = subprocess.run(
        [sys.executable, "-m", "logflume", "doctor", str(folder), "--json", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted({found["file"] for found in json.loads(done.stdout)})


def main(name: str) -> None:
    """Record both runs."""
    target = RECORDINGS / name
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "runs"
        for part in ("first", "second", "killed"):
            subprocess.run([sys.executable, "-m", __spec__.name, part, str(folder)], check=False)
        (folder / "latest").unlink()
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()  # git keeps no empty folders
        answers = {run.name: describe(run) for run in sorted(folder.iterdir())}
        shutil.copytree(folder, target / "runs")
    (target / "answers.json").write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _write(Path(sys.argv[2]), sys.argv[1])
    else:
        main(*sys.argv[1:])
