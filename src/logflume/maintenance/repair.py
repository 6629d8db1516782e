"""Repair of a run from its journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.registry import SINKS, build, find
from logflume.exceptions import RunError
from logflume.formats.atomic import link_or_copy
from logflume.formats.journal import (
    OnProgress,
    ignore_progress,
    read_batches,
    read_journal_lines,
)
from logflume.formats.positions import PositionSet
from logflume.maintenance.doctor import (
    Note,
    check_writer,
    diagnose,
    ignore_note,
    is_live,
)
from logflume.maintenance.media_check import NamedMedia, check_media, find_stale_media
from logflume.maintenance.replay import rebuild
from logflume.maintenance.sink_files import (
    SinkFile,
    call_sink,
    find_sink_files,
    load_configs,
    lock_run,
)
from logflume.maintenance.verify import Issue, remove_stale_files
from logflume.pipeline.catch_up import CatchUp
from logflume.pipeline.counters import Counters
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import open_file
from logflume.runs.state import RunState
from logflume.values.declared import declared_kind
from logflume.values.kinds import find_kind

__all__ = ["repair"]


def _remove_damaged_lines(writer: Writer, run: RunInfo, damaged: Collection[Path]) -> None:
    """Rewrite files of a journal without duplicates and lines that are not valid events.

    The old files are kept as hidden copies, such as `.events.jsonl.damaged`.

    Args:
        writer: The journal's writer.
        run: The writer's identity.
        damaged: The files to rewrite.

    Raises:
        OSError: A file can't be written; it is unchanged.
    """
    seen = PositionSet()
    drafts: dict[Path, Path] = {}
    with ExitStack() as stack:
        files: dict[Path, Any] = {}
        for path in damaged:
            drafts[path] = path.with_name(f".{path.name}.tmp")
            files[path] = _open_draft(drafts[path], stack)
        for line in read_journal_lines(writer, run):
            event = line.event
            is_valid = event is not None and seen.add(event["attempt"], event["seq"])
            if is_valid and line.path in files:
                files[line.path].write(line.raw)
    for path, draft in drafts.items():
        _back_up(path)
        draft.replace(path)


def _truncate_torn_line(writer: Writer) -> None:
    """Truncate a torn last line and finish interrupted compressions, by opening the journal's sink.

    Raises:
        RunError: The journal can't be opened.
    """
    path = writer.folder / writer.journal_name
    build(find(SINKS, "jsonl", "sinks"), {"path": str(path)}, {}, "sinks.jsonl").close()


def _open_draft(draft: Path, stack: ExitStack) -> Any:
    file = stack.enter_context(open(draft, "wb", opener=open_file))  # noqa: SIM115
    if ".zst" not in draft.suffixes:
        return file
    import pyarrow as pa

    return stack.enter_context(pa.CompressedOutputStream(file, "zstd"))


def _back_up(path: Path) -> None:
    names = (f".{path.name}.damaged" + (f"-{n}" if n > 1 else "") for n in count(1))
    backup = next(file for name in names if not os.path.lexists(file := path.with_name(name)))
    link_or_copy(path, backup)


def repair(
    folder: Path,
    on_progress: OnProgress = ignore_progress,
    outside: Collection[Path] = (),
    note: Note = ignore_note,
    on_repaired: Callable[[Issue], None] = lambda _issue: None,
) -> list[Issue]:
    """Repair a run, and return the remaining issues.

    Lines of the journal that are not valid events are removed, sink files that differ from the
    journal are rebuilt, stale files are removed, and `run.json` is written. If the journal has lost
    events, a sink file that may have them is not rebuilt. Instead, its missing events are added.

    Args:
        folder: The run's folder.
        on_progress: Called with the number of bytes of journal that were read since the last call.
        outside: Sink files outside the run's folder to repair as well: missing events are added to
            them, and nothing else is changed.
        note: Called with a line about each sink file that is left alone.
        on_repaired: Called with each issue that was found and does not remain.

    Returns:
        The issues that remain; empty if everything is in order.

    Raises:
        RunError: The run is being written, or a file can't be written: links are not followed.
    """
    folder = folder.resolve()
    writers = find_writers(folder)
    try:
        with lock_run(folder, writers):
            checked = [_repair(writer, on_progress, outside) for writer in writers]
            media = [named for _, named in checked]
            found = [issue for issues, _ in checked for issue in issues]
            found += check_media(folder, media)
            for path in find_stale_media(folder, media):
                path.unlink()
    except OSError as error:
        raise RunError(f"{folder}: the run can't be repaired: {error}") from error
    issues = diagnose(folder, outside=outside, note=note)
    remaining = {(issue.file, issue.what) for issue in issues}
    for issue in found:
        if (issue.file, issue.what) not in remaining:
            on_repaired(issue)
    return issues


def _repair(
    writer: Writer, on_progress: OnProgress, outside: Collection[Path]
) -> tuple[list[Issue], NamedMedia]:
    """Repair the files of a writer; return its issues, and the media that its journal names."""
    is_forked = writer.process is not None
    if is_forked and is_live(writer):
        return [], NamedMedia(set(), False)  # a forked child that outlived its parent
    checked = check_writer(writer, on_progress, False, outside)
    run = checked.run
    found = checked.issues, checked.media
    if run is None or not checked.issues:
        return found
    sink_files = [
        sink_file
        for sink_file in find_sink_files(run, writer.folder, load_configs(writer, run))
        if not sink_file.is_shared
    ]
    for sink_file in sink_files:
        sink_file.check_own()
    if checked.journal.damaged:
        _remove_damaged_lines(writer, run, checked.journal.damaged)
    _truncate_torn_line(writer)
    if is_forked:
        return found
    faulty = [result for result in checked.sink_files if result.issues]
    rebuilt = [result.sink_file for result in faulty if checked.can_rebuild(result)]
    rebuild(writer, run, [(sink_file, sink_file.path) for sink_file in rebuilt], on_progress)
    for result in faulty:
        if result.sink_file not in rebuilt:
            _add_missing_events(result.sink_file, writer, run)
    remove_stale_files(writer.folder, sink_files, checked.is_complete)
    _repair_state(writer, run)
    return found


def _add_missing_events(sink_file: SinkFile, writer: Writer, run: RunInfo) -> None:
    """Add the events that a sink file is missing, like the catch-up of the next attempt.

    Opening the sink truncates torn ends.
    """
    next_attempt = msgspec.structs.replace(run, attempt=sink_file.attempts[-1] + 1, first_seq=0)
    with ExitStack() as stack:
        sink = sink_file.open()
        stack.callback(call_sink, sink_file.label, sink.close)
        catch_up = CatchUp(
            partial(read_batches, writer.journals),
            lambda: False,
            sink_file.accepts,
            sink,
            next_attempt,
            Counters(),
        )
        catch_up.include_earlier(0)
        while catch_up:
            events = call_sink(sink_file.label, catch_up.take)
            call_sink(sink_file.label, sink.write, events)


_KILLED = "killed"


def _repair_state(writer: Writer, run: RunInfo) -> None:
    """Correct the run state of a run that no process is writing; valid values are kept.

    Raises:
        RunError: The state can't be written.
    """
    derived = _derive_state(writer, run)
    state = writer.state or derived
    if (state.run, max(state.attempt, derived.attempt)) != (run.run, state.attempt):
        state = derived
    if state.status == "running":
        state.status = derived.status if state.attempt == derived.attempt else _KILLED
    # The folder may have been renamed since the run was written.
    state.save(msgspec.structs.replace(run, run=writer.folder.name))


def _derive_state(writer: Writer, run: RunInfo) -> RunState:
    """Return the run state according to the journal, without the completeness of sinks."""
    kinds: dict[str, dict[str, str]] = {}
    state = RunState(run=run.run, attempt=-1, started="", status=_KILLED, kinds=kinds)
    for line in read_journal_lines(writer, run):
        event = line.event
        if event is None:
            continue
        if event["attempt"] > state.attempt:
            state.attempt, state.started = event["attempt"], event["timestamp"]
            state.status = _KILLED
        if event["event"] == "run_finished" and event["attempt"] == state.attempt:
            state.status = event.get("status") or _KILLED
        of_type = kinds.setdefault(event["event"], {})
        for name, value in event.items():
            if name in of_type or declared_kind(event["event"], name) is not None:
                continue
            kind = find_kind(value) if name not in ("nonfinite", "process") else None
            if kind is not None:
                of_type[name] = kind
    return state
