"""`run.json` against the journal and the lock."""

from __future__ import annotations

from logflume.exceptions import RunError
from logflume.reading.writer import Writer
from logflume.rebuilding.finding import FIX, Finding
from logflume.rebuilding.journal_check import JournalCheck
from logflume.run import RunInfo
from logflume.state import RunState

__all__ = ["check_state"]

ENDED = frozenset({"finished", "failed", "interrupted", "terminated"})


def check_state(
    writer: Writer, run: RunInfo, journal: JournalCheck, is_live: bool
) -> list[Finding]:
    """Return what is wrong with the state of a run, a rank or an attempt beside another.

    Args:
        writer: Whose state.
        run: Who that is, as the journal tells.
        journal: What the journal tells.
        is_live: Whether the run is being written.
    """
    name = f"run{writer.suffix}.json"
    if run.process is not None:
        return []
    try:
        # Not `writer.state`, which makes do without a state that is damaged.
        state = RunState.load(writer.folder / name)
    except RunError:
        return [Finding(name, "the state of the run can't be read", 1, FIX)]
    if state is None:
        return [] if is_live else [Finding(name, "the state of the run is missing", 1, FIX)]
    if (state.run, state.attempt) != (run.run, max(journal.latest_attempt, state.attempt)):
        return [Finding(name, "another run or attempt than in the journal", 1, FIX)]
    if state.status == "running" and not is_live:
        what = "it says 'running', but nobody writes the run: it was killed"
        return [Finding(name, what, 1, FIX)]
    if state.status in ENDED and journal.lacks_end(state.attempt):
        what = f"attempt {state.attempt} has {state.status}, but its end is missing"
        return [Finding(f"events{writer.suffix}.jsonl", what, 1, "nothing brings it back")]
    return []
