"""The questions of `read_cost`, and who answers them; asks one of them in this process.

    python -m tests.benchmarks.questions FOLDER STEP EVENTS QUESTION SYSTEM

prints what the answer cost, as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.answers import (
    MEANS,
    TOTAL,
    Data,
    Request,
    duck,
    event_files,
    journal,
    ours,
    sqlite,
)

__all__ = ["QUESTIONS"]

_ONE, _MANY = "one/big", "many/*"
_TEXTS = ["step", "model_output", *TOTAL]
_NAMES = ", ".join(f'"{name}"' for name in MEANS)


def _parquet(runs: str, event_type: str) -> str:
    files = f"{{folder}}/{runs}/parquet/{event_type}/*.parquet"
    return f"from read_parquet('{files}', union_by_name = true)"


def _curve(runs: str, peers: str, project: str) -> dict[str, Request]:
    """Return who reads the rewards by function."""
    return {
        "logflume": ours(
            lambda opened, _: opened.events("reward", columns=["run", "step", *MEANS]), runs, MEANS
        ),
        "logflume, metrics": ours(lambda opened, _: opened.metrics(*MEANS, wide=True), runs, MEANS),
        "logflume, sql": ours(
            lambda opened, _: opened.sql(f"select run, step, {_NAMES} from reward"), runs, MEANS
        ),
        "duckdb": duck(f"select run, step, {_NAMES} {_parquet(runs, 'reward')}", MEANS),
        "tensorboard": event_files(f"peers/tensorboard/{peers}"),
        "trackio": sqlite(project),
        "pandas": journal(f"{runs}/events*.zst", "reward", ["step", *MEANS]),
    }


def _worst(runs: str) -> dict[str, Request]:
    """Return who reads the worst completions of a step."""
    order = 'order by "rewards/total", step, seq limit 20'
    return {
        "logflume": ours(lambda opened, step: opened.outputs(steps=step, worst=20), runs, TOTAL),
        "logflume, sql": ours(
            lambda opened, step: opened.sql(f"from model_output where step = {step} {order}"),
            runs,
            TOTAL,
        ),
        "duckdb": duck(f"{_parquet(runs, 'model_output')} where step = {{step}} {order}", TOTAL),
        "pandas": journal(f"{runs}/events*.zst", "model_output", _TEXTS),
    }


QUESTIONS: dict[str, dict[str, Request]] = {
    "one run: open, info": {"logflume": ours(lambda run, _: run.info.last_step, _ONE)},
    "one run: reward by function": _curve(_ONE, "big", "big"),
    "one run: worst 20 of a step": _worst(_ONE),
    "all runs: open": {"logflume": ours(lambda runs, _: len(runs), _MANY)},
    "all runs: reward by function": _curve(_MANY, "run-*", "many"),
    "all runs: worst 20 of a step": _worst(_MANY),
}

_MODULES = {
    "logflume": ["logflume", "pyarrow.dataset"],
    "logflume, metrics": ["logflume", "pyarrow.dataset"],
    "logflume, sql": ["logflume", "pyarrow.dataset", "duckdb"],
    "duckdb": ["duckdb", "pyarrow.compute"],
    "tensorboard": ["tensorboard.backend.event_processing.event_accumulator"],
    "trackio": ["trackio.sqlite_storage"],
    "pandas": ["pandas", "pyarrow"],
}


def _cost(data: Data, question: str, system: str) -> dict[str, Any]:
    """Return what the answer cost. Times are in seconds; that of a share is scaled to all."""
    started_s = time.perf_counter()
    for module in _MODULES[system]:
        importlib.import_module(module)
    imported_s = time.perf_counter()
    answer = QUESTIONS[question][system](data)
    answer_s = (time.perf_counter() - imported_s) / answer.share
    # Not `ru_maxrss`: it begins with that of the parent.
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return {
        "import_s": imported_s - started_s,
        "answer_s": answer_s,
        "peak_mb": int(peak[1]) / 1024 if peak else None,
        **answer._asdict(),
    }


if __name__ == "__main__":
    folder, step, events, question, system = sys.argv[1:]
    os.environ["TRACKIO_DIR"] = f"{folder}/peers/trackio"
    print(json.dumps(_cost(Data(Path(folder), int(step), int(events)), question, system)))
