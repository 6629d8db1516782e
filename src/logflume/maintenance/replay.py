"""Rebuilding of sink files from the journal, through the same sinks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from logflume.exceptions import RunError
from logflume.formats.atomic import atomic_replacement, link_or_copy, size_bytes
from logflume.formats.journal import (
    OnProgress,
    batch_by_attempt,
    ignore_progress,
    read_journal_lines,
)
from logflume.formats.journal_lines import TORN
from logflume.formats.positions import PositionSet
from logflume.maintenance.sink_files import (
    SinkFile,
    call_sink,
    find_sink_files,
    identify,
    load_configs,
    lock_run,
)
from logflume.protocols import Event
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo

__all__ = ["Rebuilt", "keep_foreign_files", "rebuild", "replay"]


class Rebuilt(msgspec.Struct):
    """A sink file that was rebuilt.

    Attributes:
        path: Its path.
        events: Number of events that were written to its sink.
        size_bytes: Its size.
    """

    path: Path
    events: int
    size_bytes: int


def replay(
    folder: Path,
    kinds: Sequence[str],
    out: Path | None = None,
    on_progress: OnProgress = ignore_progress,
) -> list[Rebuilt]:
    """Rebuild sink files of a run, for all ranks and attempts.

    Memory use is bounded. A sink file in the run's folder is replaced atomically once the new one
    is complete; a rotated one is replaced file by file.

    Args:
        folder: The run's folder.
        kinds: Types of sinks with a path that the run has; that of the journal only with `out`.
        out: Folder to write to; None replaces the sink files in the run's folder.
        on_progress: Called with the number of bytes of journal that were read since the last call.

    Raises:
        RunError: The run is being written, a sink file in `out` exists already or can't be written,
            or the journal is damaged.
    """
    folder = folder.resolve()
    rebuilt: list[Rebuilt] = []
    with ExitStack() as stack:
        writers = find_writers(folder)
        if out is None:
            stack.enter_context(lock_run(folder, writers))
        for writer in writers:
            run = identify(writer)
            if run is not None and run.process is None:
                sink_files = find_sink_files(run, folder, load_configs(writer, run))
                _check_kinds(kinds, sink_files, in_place=out is None)
                chosen = [file for file in sink_files if file.kind in kinds]
                targets = [(file, _target(file, out)) for file in chosen]
                if out is None:
                    for file in chosen:
                        file.check_own()
                rebuilt += rebuild(writer, run, targets, on_progress)
    return rebuilt


def rebuild(
    writer: Writer, run: RunInfo, targets: Sequence[tuple[SinkFile, Path]], on_progress: OnProgress
) -> list[Rebuilt]:
    """Rebuild sink files of one writer, in one pass over its journal.

    Args:
        writer: The writer.
        run: The writer's identity.
        targets: The sink files, each with the path to write to.
        on_progress: Called with the number of bytes of journal that were read since the last call.

    Raises:
        RunError: A sink file can't be written, or the journal is damaged.
    """
    try:
        with ExitStack() as stack:
            copies = [
                _Copy(
                    sink_file,
                    path,
                    stack.enter_context(
                        atomic_replacement(path, partial(sink_file.own_files, path))
                    ),
                )
                for sink_file, path in targets
            ]
            for copy in copies:
                stack.callback(copy.close)
            for events in batch_by_attempt(_read_events(writer, run, on_progress)):
                for copy in copies:
                    copy.write(events)
            for copy in copies:
                copy.finish()
    except OSError as error:
        raise RunError(f"{writer.folder}: sink files can't be rebuilt: {error}") from error
    return [
        Rebuilt(
            path, copy.events, sum(map(size_bytes, filter(Path.exists, sink_file.outputs(path))))
        )
        for copy, (sink_file, path) in zip(copies, targets, strict=True)
    ]


def _read_events(writer: Writer, run: RunInfo, on_progress: OnProgress) -> Iterator[Event]:
    """Yield the events of a journal; a torn last line and duplicates are skipped.

    Raises:
        RunError: A line is not a valid event.
    """
    seen = PositionSet()
    for line in read_journal_lines(writer, run, on_progress):
        if line.event is None and line.fault != TORN:
            raise RunError(
                f"{line.path}, line {line.number}: {line.fault}. "
                f"To check the run: logflume doctor {writer.folder}; "
                "with --fix it removes damaged lines"
            )
        if line.event is not None and seen.add(line.event["attempt"], line.event["seq"]):
            yield line.event


class _Copy:
    """A sink file that is being rebuilt, with a sink for each attempt as in the original run."""

    def __init__(self, sink_file: SinkFile, path: Path, staged_path: Path) -> None:
        self.path = path
        self.events = 0
        self._sink_file = sink_file
        self._staged = staged_path
        self._attempt: int | None = None
        self._sink: Any = None

    def write(self, events: Sequence[Event]) -> None:
        """Write those of the events, all from one attempt, that belong in the sink file."""
        accepted = [event for event in events if self._sink_file.accepts(event)]
        if not accepted:
            return
        attempt = int(accepted[0]["attempt"])
        if self._sink is None or attempt != self._attempt:
            self.close()
            self._sink = self._sink_file.open(self._staged, attempt)
            self._attempt = attempt
        call_sink(str(self.path), self._sink.write, accepted)
        self.events += len(accepted)

    def close(self) -> None:
        """Close the sink. Further calls do nothing."""
        sink, self._sink = self._sink, None
        if sink is not None:
            call_sink(str(self.path), sink.close)

    def finish(self) -> None:
        """Close the sink, and copy foreign files to the new folder."""
        self.close()
        if self.path.is_dir() and self._staged.is_dir():
            keep_foreign_files(self._sink_file, self.path, self._staged)


def _check_kinds(kinds: Sequence[str], sink_files: Sequence[SinkFile], in_place: bool) -> None:
    allowed = sorted({f.kind for f in sink_files if not (in_place and f.is_journal)})
    for kind in kinds:
        if kind not in allowed:
            is_journal = any(f.is_journal and f.kind == kind for f in sink_files)
            more = " (the journal: only with --out)" if is_journal else ""
            more += " (a sink that no package registers: with --import)" if ":" in kind else ""
            raise RunError(f"{kind!r} can't be rebuilt; allowed: {', '.join(allowed)}{more}")


def _target(sink_file: SinkFile, out: Path | None) -> Path:
    """Return the path to rebuild a sink file at.

    Raises:
        RunError: There is a file that must not be replaced.
    """
    if out is not None:
        path = out / (sink_file.path.name if sink_file.is_shared else sink_file.label)
        if path.exists():
            raise RunError(f"{path} exists: choose another folder, or remove it")
        return path
    if sink_file.is_shared:
        raise RunError(
            f"{sink_file.path} is outside of the run's folder and may contain other runs. "
            "Write to another folder with --out"
        )
    return sink_file.path


def keep_foreign_files(sink_file: SinkFile, old: Path, new: Path) -> None:
    """Copy the foreign files in the old folder of a sink to the one that replaces it.

    Args:
        sink_file: The sink file.
        old: The old folder.
        new: The new folder.

    Raises:
        OSError: A file can't be copied.
    """
    for path in _foreign_files(sink_file, old):
        target = new / path.relative_to(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(path, target)


def _foreign_files(sink_file: SinkFile, folder: Path) -> Iterator[Path]:
    own = sink_file.own_files(folder)
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.is_file() and path not in own and not inside.parts[0].startswith("."):
            yield path
