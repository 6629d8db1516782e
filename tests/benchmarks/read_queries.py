"""The queries of `read_cost` by system, and a program that runs one of them.

    python -m tests.benchmarks.read_queries FOLDER STEP EVENTS QUERY SYSTEM

prints the cost of the query as JSON.
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

from logflume.query.estimates import pass_at
from tests.benchmarks.grpo_events import GROUP_SIZE
from tests.benchmarks.prompt_runs import PROMPTS_RUN, prompt_id_of
from tests.benchmarks.query_engines import (
    MEANS,
    TOTAL,
    Dataset,
    Query,
    duckdb_query,
    journal_query,
    logflume_query,
    tensorboard_query,
    trackio_query,
)

__all__ = ["QUERIES"]

_ONE, _MANY = "one/big", "many/*"
_TEXTS = ["step", "model_output", *TOTAL]
_NAMES = ", ".join(f'"{name}"' for name in MEANS)


def _parquet(runs: str, event_type: str) -> str:
    files = f"{{folder}}/{runs}/parquet/{event_type}/*.parquet"
    return f"from read_parquet('{files}', union_by_name = true)"


def _curve(runs: str, peers: str, project: str) -> dict[str, Query]:
    """Return the query for the mean reward by function, for each system."""
    return {
        "logflume": logflume_query(
            lambda opened, _: opened.events("reward", columns=["run", "step", *MEANS]), runs, MEANS
        ),
        "logflume, metrics": logflume_query(
            lambda opened, _: opened.metrics(*MEANS, wide=True), runs, MEANS
        ),
        "logflume, sql": logflume_query(
            lambda opened, _: opened.sql(f"select run, step, {_NAMES} from reward"), runs, MEANS
        ),
        "duckdb": duckdb_query(f"select run, step, {_NAMES} {_parquet(runs, 'reward')}", MEANS),
        "tensorboard": tensorboard_query(f"peers/tensorboard/{peers}"),
        "trackio": trackio_query(project),
        "pandas": journal_query(f"{runs}/events*.zst", "reward", ["step", *MEANS]),
    }


def _worst(runs: str) -> dict[str, Query]:
    """Return the query for the 20 worst completions of a step, for each system."""
    order = 'order by "rewards/total", step, seq limit 20'
    return {
        "logflume": logflume_query(
            lambda opened, step: opened.outputs(steps=step, worst=20), runs, TOTAL
        ),
        "logflume, sql": logflume_query(
            lambda opened, step: opened.sql(f"from model_output where step = {step} {order}"),
            runs,
            TOTAL,
        ),
        "duckdb": duckdb_query(
            f"{_parquet(runs, 'model_output')} where step = {{step}} {order}", TOTAL
        ),
        "pandas": journal_query(f"{runs}/events*.zst", "model_output", _TEXTS),
    }


def _prompts() -> dict[str, dict[str, Query]]:
    """Return the queries about prompts, for logflume, and in SQL for DuckDB."""
    completions = _parquet(PROMPTS_RUN, "model_output")
    prompt, k = prompt_id_of(7), 4
    shares = [float(share) for share in pass_at(GROUP_SIZE, k)]
    groups = (
        f"""(select step, "group", prompt_id, sum("quality/correct"::int) correct {completions} """
        """group by all)"""
    )
    return {
        "a million completions: prompts": {
            "logflume": logflume_query(
                lambda run, _: run.prompts(limit=None), PROMPTS_RUN, ["solve_rate"]
            ),
            "duckdb": duckdb_query(
                f"""select avg("quality/correct"::int) solve_rate, any_value(question) """
                f"""{completions} group by prompt_id""",
                ["solve_rate"],
            ),
        },
        "a million completions: a prompt": {
            "logflume": logflume_query(lambda run, _: run.prompt(prompt), PROMPTS_RUN, TOTAL),
            "duckdb": duckdb_query(f"{completions} where prompt_id = '{prompt}'", TOTAL),
        },
        "a million completions: pass@4": {
            "logflume": logflume_query(lambda run, _: run.pass_at(k), PROMPTS_RUN, ["value"]),
            "duckdb, no intervals": duckdb_query(
                f"select avg({shares}[(correct + 1)::int]) as value from {groups} group by step",
                ["value"],
            ),
        },
    }


QUERIES: dict[str, dict[str, Query]] = {
    "one run: open, info": {"logflume": logflume_query(lambda run, _: run.info.last_step, _ONE)},
    "one run: reward by function": _curve(_ONE, "big", "big"),
    "one run: worst 20 of a step": _worst(_ONE),
    "all runs: open": {"logflume": logflume_query(lambda runs, _: len(runs), _MANY)},
    "all runs: reward by function": _curve(_MANY, "run-*", "many"),
    "all runs: worst 20 of a step": _worst(_MANY),
    **_prompts(),
}

_MODULES = {
    "logflume": ["logflume", "pyarrow.dataset"],
    "logflume, metrics": ["logflume", "pyarrow.dataset"],
    "logflume, sql": ["logflume", "pyarrow.dataset", "duckdb"],
    "duckdb": ["duckdb", "pyarrow.compute"],
    "duckdb, no intervals": ["duckdb", "pyarrow.compute"],
    "tensorboard": ["tensorboard.backend.event_processing.event_accumulator"],
    "trackio": ["trackio.sqlite_storage"],
    "pandas": ["pandas", "pyarrow"],
}


def _measure(dataset: Dataset, query: str, system: str) -> dict[str, Any]:
    """Return the cost of a query, in seconds; of a partial read, scaled up to all events."""
    started_s = time.perf_counter()
    for module in _MODULES[system]:
        importlib.import_module(module)
    imported_s, imported_cpu_s = time.perf_counter(), time.process_time()
    result = QUERIES[query][system](dataset)
    answer_s = (time.perf_counter() - imported_s) / result.share
    cpu_s = (time.process_time() - imported_cpu_s) / result.share
    # Not `ru_maxrss`, which starts at the value of the parent process.
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return {
        "import_s": imported_s - started_s,
        "answer_s": answer_s,
        "cpu_s": cpu_s,
        "peak_mb": int(peak[1]) / 1024 if peak else None,
        **result._asdict(),
    }


if __name__ == "__main__":
    folder, step, events, query, system = sys.argv[1:]
    os.environ["TRACKIO_DIR"] = f"{folder}/peers/trackio"
    dataset = Dataset(Path(folder), int(step), int(events))
    print(json.dumps(_measure(dataset, query, system)))
