"""What must hold of the outputs of a run that was killed, and of one that was opened again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from logflume.guard import Failure, call_guarded, describe
from tests.torture.busy import FLUSH_INTERVAL_S
from tests.torture.outputs import (
    READERS,
    Row,
    find_torn,
    read_current_steps,
    read_journal_elsewhere,
)
from tests.torture.tally import Tally
from tests.torture.told import BEAT_S, Life

__all__ = ["Found", "check_kept", "check_whole", "count_lost", "read_all"]

ONE_WRITE_S = 0.25
"""What a batch of 512 events may take through the sinks on the worker's thread, and the next batch
to the journal: some 30 ms on an idle machine."""

Found = dict[str, list[Row]]
"""The numbered events by output; one that can't be read is left out, and told."""


def read_all(folder: Path, tally: Tally, when: str, *, may_have_copies: bool = False) -> Found:
    """Read every output; check that none has an event twice, or one that the journal lacks.

    Args:
        folder: The run's folder.
        tally: Where broken promises go.
        when: When that is, for messages.
        may_have_copies: Whether events may be there twice until the run is opened again.
    """
    found: Found = {}
    for name, reader in READERS.items():
        rows = call_guarded(reader, folder)
        if isinstance(rows, Failure):
            tally.claim(False, f"{folder}: {name} can't be read {when}: {describe(rows.error)}")
            continue
        found[name] = rows
        tally.checked += len(rows)
        twice = [row for row, count in Counter(rows).items() if count > 1]
        if not may_have_copies:
            tally.expect([], twice[:5], f"{folder}: {name} has events twice {when}")
    journal = set(found.get("journal", ()))
    for name in ("parquet", "csv"):
        strange = sorted(set(found.get(name, ())) - journal)
        tally.expect([], strange[:5], f"{folder}: {name} has what the journal lacks {when}")
    return found


def check_kept(before: Found, now: Found, tally: Tally, where: Path) -> None:
    """Check that what an output had once it has still."""
    for name, rows in before.items():
        gone = sorted(set(rows) - set(now.get(name, ())))
        tally.lost += len(gone)
        tally.expect([], gone[:5], f"{where}: {name} has lost what it had")


def count_lost(life: Life, killed_at_s: float, found: Found, tally: Tally, where: Path) -> None:
    """Check that the journal has all but the last moment of a life, and nothing made up.

    The moment is one `flush_interval_s` and one write, and what the processor was taken away from
    the process, as its idle thread saw it.
    """
    numbers = [row.number for row in found.get("journal", ()) if row.attempt == life.attempt]
    tally.expect(list(range(len(numbers))), numbers, f"{where}: order of attempt {life.attempt}")
    # The call that the kill came into may have been recorded, and not told.
    tally.claim(len(numbers) <= len(life.times_s) + 1, f"{where}: more than was logged")
    unheard_s = max(life.lateness_s, killed_at_s - life.beat_s - BEAT_S)
    moment_s = FLUSH_INTERVAL_S + ONE_WRITE_S + max(0.0, unheard_s)
    promised = sum(time_s < killed_at_s - moment_s for time_s in life.times_s)
    lost = max(0, promised - len(numbers))
    tally.lost += lost
    tally.expect(0, lost, f"{where}: events lost that were older than {moment_s * 1e3:.0f} ms")
    if len(numbers) < len(life.times_s):
        age_ms = (killed_at_s - life.times_s[len(numbers)]) * 1e3
        tally.oldest_lost_ms = max(tally.oldest_lost_ms, age_ms)
    tally.longest_call_ms = max(tally.longest_call_ms, life.longest_call_s * 1e3)


def check_whole(life: Life, found: Found, folder: Path, tally: Tally) -> None:
    """Check a run whose last attempt ended well: everything of it is everywhere, nothing torn."""
    logged = list(range(len(life.times_s)))
    for name in ("journal", "parquet", "csv"):
        numbers = sorted(r.number for r in found.get(name, ()) if r.attempt == life.attempt)
        tally.lost += len(set(logged) - set(numbers))
        tally.expect(logged, numbers, f"{folder}: {name} of an attempt that ended well")
    steps = call_guarded(read_current_steps, folder)
    tally.expect(logged, steps, f"{folder}: what TensorBoard shows")
    tally.expect([], list(find_torn(folder)), f"{folder}: torn files")
    leftovers = [p.name for p in folder.iterdir() if p.name.endswith(".tmp")]
    tally.expect([], leftovers, f"{folder}: leftovers")
    counts = call_guarded(read_journal_elsewhere, folder)
    if isinstance(counts, Failure):
        tally.claim(False, f"{folder}: the journal can't be read: {describe(counts.error)}")
    else:
        tally.expect(1, len(set(counts.values())), f"{folder}: rows of the journal in {counts}")
