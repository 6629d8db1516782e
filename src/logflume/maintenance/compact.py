"""Merging of small Parquet parts into few large ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from logflume.exceptions import RunError
from logflume.formats.atomic import can_exchange
from logflume.formats.parquet import list_part_names
from logflume.maintenance.sink_files import (
    SinkFile,
    call_sink,
    find_sink_files,
    identify,
    load_configs,
    lock_run,
)
from logflume.runs.files import find_writers

__all__ = ["Compacted", "compact"]


class Compacted(msgspec.Struct):
    """A folder of Parquet parts, before and after compaction.

    Attributes:
        path: The folder.
        files_before: Number of parts before.
        bytes_before: Their total size before.
        files: Number of parts now.
        size_bytes: Their total size now.
    """

    path: Path
    files_before: int
    bytes_before: int
    files: int
    size_bytes: int


def compact(folder: Path) -> Iterator[Compacted]:
    """Merge the small Parquet parts of a run.

    Args:
        folder: The run's folder.

    Yields:
        The result for the Parquet folder of each writer, as soon as it is done.

    Raises:
        RunError: The run is being written, a folder can't be read or written, or its file system
            can't replace folders atomically.
    """
    folder = folder.resolve()
    writers = find_writers(folder)
    with lock_run(folder, writers):
        for writer in writers:
            run = identify(writer)
            if run is None or run.process is not None:
                continue
            for sink_file in find_sink_files(run, folder, load_configs(writer, run)):
                is_own = sink_file.can_compact and not sink_file.is_shared
                if is_own and sink_file.path.is_dir():
                    sink_file.check_own()
                    yield _compact(sink_file)


def _compact(sink_file: SinkFile) -> Compacted:
    before = _measure(sink_file.path)
    try:
        if not can_exchange(sink_file.path.parent):
            raise RunError(
                f"{sink_file.path}: the parts can't be merged here: this file system can't "
                "exchange folders atomically, so that a reader could find rows twice. Copy the run "
                "to a local disk, and merge its parts there"
            )
        sink = sink_file.open()
        try:
            call_sink(sink_file.label, sink.compact)
        finally:
            call_sink(sink_file.label, sink.close)
    except OSError as error:
        raise RunError(f"{sink_file.path}: the parts can't be merged: {error}") from error
    return Compacted(sink_file.path, *before, *_measure(sink_file.path))


def _measure(folder: Path) -> tuple[int, int]:
    names = list_part_names(folder)
    parts = [folder / table / name for table, found in names.items() for name in found]
    return len(parts), sum(part.stat().st_size for part in parts)
