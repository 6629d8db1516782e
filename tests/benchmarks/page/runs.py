"""The runs of the benchmark of the page: many completions, many events, many runs, many ranks."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from logflume.formats.parquet import list_parts, list_tables, part_name, read_tables, write_file
from logflume.formats.parquet_file import ParquetFile
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.sinks.jsonl import JsonlSink
from logflume.sinks.parquet import ParquetSink
from tests.benchmarks.grpo_events import COMPLETIONS, EVENTS_PER_STEP, GrpoRun, Recipe
from tests.benchmarks.many_ranks import make_many_ranks, make_one_rank_runs, train
from tests.benchmarks.prompt_runs import events_with_prompts

__all__ = ["FULL", "NEEDLES", "QUICK", "Folders", "Size", "make"]

_BATCH = 1_024
_TEXT_CHARACTERS = 950
_BLOCK_STEPS = 1_000
_BLOCKS_PER_PART = 10
_BLOCK_S = 9_000
"""The time of a block's steps, so that the timestamps go on."""

NEEDLES: Mapping[str, int] = {"zyzzyva": 1_000, "quagga": 40_000}
"""Words that no other text has, and the number of completions of which one has it."""


class Size(NamedTuple):
    """How much there is in each of the runs.

    Attributes:
        completions: Completions of 1 kB in a run of prompts.
        events: Events of a long run.
        runs: Runs in a folder.
        ranks: Ranks of one run.
    """

    completions: int
    events: int
    runs: int
    ranks: int


FULL = Size(completions=200_000, events=10_000_000, runs=1_000, ranks=1_000)
QUICK = Size(completions=20_000, events=500_000, runs=50, ranks=50)


class Folders(NamedTuple):
    """The folders that the page is opened on.

    Attributes:
        completions: The run with many completions.
        events: The run with many events.
        runs: The folder of many runs.
        ranks: The run of many ranks.
    """

    completions: Path
    events: Path
    runs: Path
    ranks: Path


def make(folder: Path, size: Size) -> Folders:
    """Make the runs that don't exist yet in a folder.

    Each is made in another folder first, so that an interrupted call leaves none that is partial.
    """
    source = folder / "trained" / "source"
    makers: dict[Path, Callable[[Path], object]] = {
        folder / f"completions-{size.completions}": lambda to: _make_completions(to, size),
        folder / f"events-{size.events}": lambda to: _make_events(to, size),
        source.parent: train,
        folder / f"runs-{size.runs}": lambda to: make_one_rank_runs(source, to, size.runs),
        folder / f"ranks-{size.ranks}": lambda to: make_many_ranks(source, to, size.ranks),
    }
    for path, make_one in makers.items():
        if path.exists():
            continue
        start_s = time.perf_counter()
        partial = folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        make_one(partial / path.name)
        (partial / path.name).rename(path)
        shutil.rmtree(partial)
        print(f"made {path.name} in {time.perf_counter() - start_s:.0f} s", file=sys.stderr)
    completions, events, _, runs, ranks = makers
    return Folders(completions, events, runs, ranks)


def _make_completions(folder: Path, size: Size) -> None:
    """Make a run as the sinks write it. A step has 64 completions, and prompts come up again."""
    info = RunInfo(run=folder.name, dir=folder.parent)
    run = GrpoRun(info, Recipe(text_characters=_TEXT_CHARACTERS))
    events = events_with_prompts(run, size.completions // COMPLETIONS)
    _write(info, run, _with_needles(events))


def _with_needles(events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    count = 0
    for event in events:
        if event["event"] == "model_output":
            count += 1
            words = [word for word, every in NEEDLES.items() if count % every == every // 2]
            event["model_output"] = " ".join([event["model_output"], *words])
        yield event


def _make_events(folder: Path, size: Size) -> None:
    """Make a long run by repeating a block of steps, with later steps and times.

    The journal has the last block only: where Parquet is complete, it isn't read.
    """
    block = folder.parent / "block" / folder.name
    info = RunInfo(run=folder.name, dir=block.parent)
    run = GrpoRun(info, Recipe(text_characters=16))
    _write(info, run, run.steps(_BLOCK_STEPS))
    blocks = max(1, size.events // (_BLOCK_STEPS * EVENTS_PER_STEP))
    for name in list_tables(block / "parquet"):
        (folder / "parquet" / name).mkdir(parents=True)
        _repeat(block / "parquet" / name, folder / "parquet" / name, blocks)
    for name in ("events.jsonl", "run.json"):
        shutil.copy(block / name, folder)


def _repeat(source: Path, target: Path, blocks: int) -> None:
    paths = [source / part.name for part in list_parts(source)]
    with ParquetFile(paths[0]) as file:
        schema = file.schema_arrow
    table = pa.concat_tables(piece for path in paths for piece in read_tables(path, schema))
    for first in range(0, blocks, _BLOCKS_PER_PART):
        numbers = range(first, min(blocks, first + _BLOCKS_PER_PART))
        pieces = [_later(table, number) for number in numbers]
        seqs: Any = pc.min_max(pa.chunked_array([c for one in pieces for c in one["seq"].chunks]))
        rows = sum(map(len, pieces))
        name = part_name(0, seqs["min"].as_py(), seqs["max"].as_py(), rows)
        write_file(target / name, schema, pieces)


def _later(table: pa.Table, number: int) -> pa.Table:
    """Return the events of a block as those of the block with a number."""
    shifts: dict[str, Any] = dict.fromkeys(
        ("step", "global_step", "generation"), number * _BLOCK_STEPS
    )
    shifts |= {
        "seq": number * _BLOCK_STEPS * EVENTS_PER_STEP,
        "timestamp": timedelta(seconds=number * _BLOCK_S),
    }
    for name, shift in shifts.items():
        index = table.schema.get_field_index(name)
        if index >= 0:
            moved = pc.add(table[name], pa.scalar(shift))
            table = table.set_column(index, name, moved.cast(table[name].type))
    return table


def _write(info: RunInfo, run: GrpoRun, events: Iterator[dict[str, Any]]) -> None:
    """Write events with the sinks, without a pipeline, as a run that has finished."""
    with (
        closing(JsonlSink(info.folder / "events.jsonl", rotate_bytes=256_000_000)) as jsonl,
        closing(ParquetSink(info.folder / "parquet", run=info)) as parquet,
    ):
        while batch := list(islice(events, _BATCH)):
            jsonl.write(batch)
            parquet.write(batch)
    state = RunState(
        run=info.run, attempt=0, started="2026-01-01T00:00:00.000000Z", status="finished"
    )
    state.kinds = run.normalizer.kinds
    state.note_whole(["jsonl", "parquet"])
    state.note_complete(["events.jsonl", "parquet"])
    state.save(info)
