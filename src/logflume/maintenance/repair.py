"""Making a run right again, as far as its journal goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.registry import SINKS, build, find
from logflume.exceptions import RunError
from logflume.formats.journal import OnProgress, ignore_progress, read_journal_lines
from logflume.formats.positions import SeqRanges
from logflume.maintenance.doctor import Checked, CheckedSinkFile, check_writer, diagnose, is_live
from logflume.maintenance.replay import read_events, rebuild
from logflume.maintenance.sink_files import SinkFile, find_sink_files, hold, load_configs, write_to
from logflume.maintenance.verify import FIX, Issue, remove_stale_files
from logflume.protocols import Event, Position, RebuildableSink
from logflume.runs.files import Writer, find_writers
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.values.coerce import find_kind
from logflume.values.kinds import declared_kind

__all__ = ["cut_torn_line", "repair", "repair_state", "take_out_damage"]


def take_out_damage(writer: Writer, run: RunInfo, damaged: Collection[Path]) -> None:
    """Write files of a journal anew, with the lines that are events, each once.

    The old files are kept, hidden: `.events.jsonl.damaged`.

    Raises:
        OSError: One can't be written; it is as it was.
    """
    seen = SeqRanges()
    drafts: dict[Path, Path] = {}
    with ExitStack() as stack:
        files: dict[Path, Any] = {}
        for path in damaged:
            drafts[path] = path.with_name(f".{path.name}.tmp")
            files[path] = stack.enter_context(_create(drafts[path]))
        for entry in read_journal_lines(writer, run):
            event = entry.event
            is_kept = event is not None and seen.add(event["attempt"], event["seq"])
            if is_kept and entry.path in files:
                files[entry.path].write(entry.line)
    for path, draft in drafts.items():
        _keep(path)
        draft.replace(path)


def cut_torn_line(writer: Writer) -> None:
    """Remove a torn last line, and finish the compressions that were under way: its sink does.

    Raises:
        RunError: The journal can't be opened.
    """
    path = writer.folder / f"events{writer.suffix}.jsonl"
    build(find(SINKS, "jsonl", "sinks"), {"path": str(path)}, {}, "sinks.jsonl").close()


def _create(draft: Path) -> Any:
    if ".zst" not in draft.suffixes:
        return draft.open("wb")
    import pyarrow as pa

    return pa.CompressedOutputStream(str(draft), "zstd")


def _keep(path: Path) -> None:
    names = (f".{path.name}.damaged" + (f"-{n}" if n > 1 else "") for n in count(1))
    kept = next(kept for name in names if not (kept := path.with_name(name)).exists())
    try:
        os.link(path, kept)
    except OSError:  # not every file system has hard links
        shutil.copy2(path, kept)


_NOT_FIXED = (
    "it was not fixed, for the journal is not whole, and what is there may be the only copy. "
    "To have the output as the journal is: logflume replay"
)


def repair(folder: Path, tell: OnProgress = ignore_progress) -> list[Issue]:
    """Repair a run, and return what is wrong still.

    Lines of the journal that are no events are taken out, outputs that differ from the journal
    are made anew, leftovers removed, `run.json` written. Where the journal has lost events, an
    output that may have them is not made anew: what it lacks is added.

    Args:
        folder: The run's folder.
        tell: Told how many bytes of journal were read.

    Raises:
        RunError: The run is being written, or something can't be written.
    """
    folder = folder.resolve()
    writers = find_writers(folder)
    try:
        with hold(folder, writers):
            for writer in writers:
                _repair(writer, tell)
    except OSError as error:
        raise RunError(f"{folder}: it can't be repaired: {error}") from error
    return [_say_why(issue) for issue in diagnose(folder)]


def _repair(writer: Writer, tell: OnProgress) -> None:
    is_child = "-pid" in writer.suffix
    if is_child and is_live(writer):
        return  # a child that has outlived its parent
    checked = check_writer(writer, tell, is_live=False)
    run = checked.run
    if run is None or not checked.issues:
        return
    if checked.journal.damaged:
        take_out_damage(writer, run, checked.journal.damaged)
    cut_torn_line(writer)
    if is_child:
        return
    outputs = [one for one in checked.outputs if one.issues]
    anew = [one.output for one in outputs if _may_be_made_anew(checked, one)]
    rebuild(writer, run, [(output, output.path) for output in anew], tell)
    for one in outputs:
        if one.output not in anew:
            _fill_in(one.output, writer, run)
    outputs_now = find_sink_files(run, writer.folder, load_configs(writer, run))
    remove_stale_files(writer.folder, outputs_now, checked.is_whole)
    repair_state(writer, run)


def _may_be_made_anew(checked: Checked, one: CheckedSinkFile) -> bool:
    """Whether nothing is lost with the old one: the journal has all that it has."""
    has_no_more = checked.is_whole or (one.is_readable and not one.unknown)
    return has_no_more and not one.output.is_shared


def _fill_in(output: SinkFile, writer: Writer, run: RunInfo) -> None:
    """Add what an output lacks, as the next attempt of the run would. Opening it cuts torn ends."""
    with closing(output.open()) as sink:
        held = sink.held(output.run) if isinstance(sink, RebuildableSink) else None
        if held is None:
            return
        for events in read_events(writer, run):
            lacking = [e for e in events if output.wants(e) and _position(e) not in held]
            write_to(sink, lacking, output.label)


def _position(event: Event) -> Position:
    return event["attempt"], event["seq"]


def _say_why(issue: Issue) -> Issue:
    return msgspec.structs.replace(issue, do=_NOT_FIXED) if issue.do == FIX else issue


_KILLED = "killed"


def repair_state(writer: Writer, run: RunInfo) -> None:
    """Write the state of a run that nobody writes: what is right of it stays.

    Raises:
        RunError: It can't be written.
    """
    found = _collect(writer, run)
    try:
        state = writer.state or found
    except RunError:
        state = found
    if (state.run, max(state.attempt, found.attempt)) != (run.run, state.attempt):
        state = found
    if state.status == "running":
        state.status = found.status if state.attempt == found.attempt else _KILLED
    # The folder may have another name than the run.
    state.save(msgspec.structs.replace(run, run=writer.folder.name))


def _collect(writer: Writer, run: RunInfo) -> RunState:
    """Return the state that the journal tells. Which sinks are whole is for them to tell."""
    kinds: dict[str, dict[str, str]] = {}
    state = RunState(run=run.run, attempt=-1, started="", status=_KILLED, kinds=kinds)
    for event in _events(writer, run):
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


def _events(writer: Writer, run: RunInfo) -> Iterator[dict[str, Any]]:
    return (e.event for e in read_journal_lines(writer, run) if e.event is not None)
