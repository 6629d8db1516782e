"""Making a run right again, as far as its journal goes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec

from logflume.exceptions import RunError
from logflume.protocols import Event, Position, RebuildableSink
from logflume.reading.writer import Writer, find_writers
from logflume.rebuilding.doctor import Checked, CheckedOutput, check_writer, diagnose, is_live
from logflume.rebuilding.entries import Tell, tell_nobody
from logflume.rebuilding.finding import FIX, Finding
from logflume.rebuilding.identity import load_configs
from logflume.rebuilding.journal_repair import cut_torn_line, take_out_damage
from logflume.rebuilding.leftovers import remove_leftovers
from logflume.rebuilding.locks import hold
from logflume.rebuilding.outputs import Output, find_outputs, write_to
from logflume.rebuilding.replay import read_events, rebuild
from logflume.rebuilding.state_repair import repair_state
from logflume.run import RunInfo

__all__ = ["repair"]

_NOT_FIXED = (
    "it was not fixed, for the journal is not whole, and what is there may be the only copy. "
    "To have the output as the journal is: logflume replay"
)


def repair(folder: Path, tell: Tell = tell_nobody) -> list[Finding]:
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
    return [_say_why(finding) for finding in diagnose(folder)]


def _repair(writer: Writer, tell: Tell) -> None:
    is_child = "-pid" in writer.suffix
    if is_child and is_live(writer):
        return  # a child that has outlived its parent
    checked = check_writer(writer, tell, is_live=False)
    run = checked.run
    if run is None or not checked.findings:
        return
    if checked.journal.damaged:
        take_out_damage(writer, run, checked.journal.damaged)
    cut_torn_line(writer)
    if is_child:
        return
    outputs = [one for one in checked.outputs if one.findings]
    anew = [one.output for one in outputs if _may_be_made_anew(checked, one)]
    rebuild(writer, run, [(output, output.path) for output in anew], tell)
    for one in outputs:
        if one.output not in anew:
            _fill_in(one.output, writer, run)
    outputs_now = find_outputs(run, writer.folder, load_configs(writer, run))
    remove_leftovers(writer.folder, outputs_now, checked.is_whole)
    repair_state(writer, run)


def _may_be_made_anew(checked: Checked, one: CheckedOutput) -> bool:
    """Whether nothing is lost with the old one: the journal has all that it has."""
    has_no_more = checked.is_whole or (one.is_readable and not one.unknown)
    return has_no_more and not one.output.is_shared


def _fill_in(output: Output, writer: Writer, run: RunInfo) -> None:
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


def _say_why(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, do=_NOT_FIXED) if finding.do == FIX else finding
