"""Few large Parquet parts in place of many small ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from logflume.exceptions import RunError
from logflume.formats.parquet import is_part_name
from logflume.maintenance.sink_files import SinkFile, find_sink_files, hold, identify, load_configs
from logflume.runs.files import find_writers

__all__ = ["Compacted", "compact"]


class Compacted(msgspec.Struct):
    """A folder of Parquet parts, before and after.

    Attributes:
        path: The folder.
        files_before: How many parts there were.
        bytes_before: How large they were.
        files: How many there are.
        size_bytes: How large they are.
    """

    path: Path
    files_before: int
    bytes_before: int
    files: int
    size_bytes: int


def compact(folder: Path) -> Iterator[Compacted]:
    """Put the small Parquet parts of a run together, and tell of each rank's folder.

    Raises:
        RunError: The run is being written, or a folder can't be read or written.
    """
    folder = folder.resolve()
    writers = find_writers(folder)
    with hold(folder, writers):
        for writer in writers:
            run = identify(writer)
            if run is None or run.process is not None:
                continue
            for output in find_sink_files(run, folder, load_configs(writer, run)):
                if output.kind == "parquet" and output.path.is_dir():
                    yield _compact(output)


def _compact(output: SinkFile) -> Compacted:
    before = _measure(output.path)
    try:
        # The sink does it when it is closed.
        with closing(output.open()):
            pass
    except OSError as error:
        raise RunError(f"{output.path}: the parts can't be put together: {error}") from error
    return Compacted(output.path, *before, *_measure(output.path))


def _measure(folder: Path) -> tuple[int, int]:
    parts = [path for path in folder.glob("*/*.parquet") if is_part_name(path.name)]
    return len(parts), sum(part.stat().st_size for part in parts)
