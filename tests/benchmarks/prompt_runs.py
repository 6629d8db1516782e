"""A program that generates one run with a million completions of 20,000 prompts.

    python -m tests.benchmarks.prompt_runs --dir /data/big --completions 1000000

It writes `prompts/big`: a step has 8 groups of 8 completions, and each prompt comes up again after
2,500 steps. Journal and Parquet are written by their sinks, without a pipeline; an existing run is
kept. On two cores it takes about 4 minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.sinks.jsonl import JsonlSink
from logflume.sinks.parquet.sink import ParquetSink
from tests.benchmarks.grpo_events import COMPLETIONS, GROUP_SIZE, GROUPS, GrpoRun, Recipe

__all__ = ["PROMPTS_RUN", "events_with_prompts", "make_prompts_run", "prompt_id_of"]

PROMPTS_RUN = "prompts/big"
PROMPTS = 20_000
_BATCH = 1_024


def prompt_id_of(prompt: int) -> str:
    """Return the id of a prompt, by its number."""
    return hashlib.sha256(str(prompt).encode()).hexdigest()[:16]


def make_prompts_run(folder: Path, completions: int) -> None:
    """Generate the run if it doesn't exist yet.

    Args:
        folder: The folder of all runs.
        completions: The number of completions.
    """
    parent, _, name = PROMPTS_RUN.partition("/")
    info = RunInfo(run=name, dir=folder / parent)
    if RunState.path(info).exists():
        return
    shutil.rmtree(info.folder, ignore_errors=True)  # left over from an interrupted call
    run = GrpoRun(info, Recipe())
    with (
        closing(JsonlSink(info.folder / "events.jsonl", rotate_bytes=256_000_000)) as jsonl,
        closing(ParquetSink(info.folder / "parquet", run=info)) as parquet,
    ):
        events = events_with_prompts(run, completions // COMPLETIONS)
        while batch := list(islice(events, _BATCH)):
            jsonl.write(batch)
            parquet.write(batch)
    state = RunState(run=name, attempt=0, started="2026-01-01T00:00:00.000000Z", status="finished")
    state.kinds = run.normalizer.kinds
    state.note_whole(["jsonl", "parquet"])
    state.note_complete(["events.jsonl", "parquet"])
    state.save(info)


def events_with_prompts(run: GrpoRun, steps: int) -> Iterator[dict[str, Any]]:
    """Yield the events of a GRPO run in which each group gets a prompt with an id and a level."""
    skills = np.random.default_rng(0).beta(0.6, 0.6, PROMPTS)
    order = np.random.default_rng(1).permutation(PROMPTS)
    for event in run.steps(steps):
        if event["event"] == "model_output":
            visit = (event["step"] - 1) * GROUPS + event["group"]
            prompt = int(order[visit % PROMPTS])
            # A fixed share of the group is right, so that a prompt keeps its difficulty.
            is_right = (event["index"] + 0.5) / GROUP_SIZE < skills[prompt]
            event |= {
                "id": f"0-0-{visit * GROUP_SIZE + event['index']}",
                "prompt_id": prompt_id_of(prompt),
                "question": f"{event['question']} ({prompt})",
                "prompt": f"{event['prompt']} ({prompt})",
                "quality/correct": bool(is_right),
                "columns/level": f"level {prompt % 5}",
            }
        yield event


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", type=Path, default=Path("logs-big"), help="folder of the runs")
    parser.add_argument("--completions", type=int, default=1_000_000)
    options = parser.parse_args()
    make_prompts_run(options.dir, options.completions)
