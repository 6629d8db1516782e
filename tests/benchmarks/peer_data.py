"""The rewards and metrics of the generated runs as TensorBoard event files and trackio's SQLite.

trackio is installed into a virtual environment of its own, because it has many dependencies. Its
storage class writes the rows, one log per step, as its server does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import logflume
from logflume.query.open_run import Run
from logflume.runs.info import RunInfo
from logflume.sinks.tensorboard.sink import TensorBoardSink
from tests.benchmarks.big_runs import MANY, ONE, Sizes

__all__ = ["make_peers"]

_TRACKIO = "trackio==0.43.0"
_NOT_SCALARS = ("seq", "rank", "attempt", "step")
_CHUNK = 1_000
_WRITER = """
import json, os, sys
os.environ["TRACKIO_DIR"] = sys.argv[1]
from trackio.sqlite_storage import SQLiteStorage
for line in sys.stdin:
    project, run, steps, logs = json.loads(line)
    SQLiteStorage.bulk_log(project, run, logs, steps)
"""


def make_peers(sizes: Sizes) -> Path | None:
    """Write the files that are missing.

    Returns:
        The Python interpreter with trackio; None if trackio can't be installed.
    """
    folder = sizes.folder / "peers"
    runs = [("big", sizes.folder / ONE)]
    runs += [("many", path) for path in sorted((sizes.folder / MANY).iterdir())]
    (folder / "tensorboard").mkdir(parents=True, exist_ok=True)
    _make_event_files(folder / "tensorboard", [path for _, path in runs])
    python = _make_environment(folder / "trackio-venv")
    if python is not None and not (folder / "trackio").exists():
        _make_database(python, folder / "trackio", runs)
    return python


def _make_event_files(folder: Path, paths: list[Path]) -> None:
    for path in paths:
        if (folder / path.name).exists():
            continue
        print(f"\rTensorBoard: {path.name}", end="", file=sys.stderr, flush=True)
        draft = _new_draft(folder)
        with closing(TensorBoardSink(draft, run=RunInfo(run=path.name))) as sink:
            for events in _steps(logflume.open_run(path)):
                sink.write(events)
        draft.rename(folder / path.name)


def _make_environment(folder: Path) -> Path | None:
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [str(python), "-m", "pip", "install", "-qqq", _TRACKIO]
        if subprocess.run(install, check=False).returncode:
            return None
    check = subprocess.run([python, "-c", "import trackio"], check=False, capture_output=True)
    return python if check.returncode == 0 else None


def _make_database(python: Path, folder: Path, runs: list[tuple[str, Path]]) -> None:
    draft = _new_draft(folder)
    command = [str(python), "-c", _WRITER, str(draft)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        for project, path in runs:
            print(f"\rtrackio: {path.name}", end="", file=sys.stderr, flush=True)
            for events in _steps(logflume.open_run(path)):
                logs: dict[int, dict[str, float]] = {}
                for event in events:
                    logs.setdefault(event["step"], {}).update(_scalars(event))
                row = [project, path.name, list(logs), list(logs.values())]
                writer.stdin.write(json.dumps(row) + "\n")
    if writer.returncode:
        raise SystemExit("writing trackio's database failed")
    draft.rename(folder)


def _new_draft(folder: Path) -> Path:
    """Return an empty folder, to be renamed to `folder` when complete.

    What an interrupted call has left in it is deleted.
    """
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def _steps(run: Run) -> Iterator[list[dict[str, Any]]]:
    """Yield `reward` and `training` events in order, up to a thousand steps at a time."""
    types = [run.events(name).arrow for name in ("reward", "training")]
    iterators = [
        (row for batch in t.to_batches(_CHUNK) for row in batch.to_pylist()) for t in types
    ]
    while chunk := [event for rows in iterators for event in islice(rows, _CHUNK)]:
        for event in chunk:
            event["timestamp"] = event["timestamp"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        yield sorted(chunk, key=lambda event: int(event["seq"]))


def _scalars(event: dict[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in event.items()
        if type(value) in (int, float) and name not in _NOT_SCALARS
    }
