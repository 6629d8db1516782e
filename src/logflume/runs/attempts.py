"""Which attempt of a run this process is, and its claim on the run.

One live process writes the files of a run and rank. Another one is refused, or, where
configured, becomes the next attempt beside it, whose files bear the number of the attempt.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import msgspec

from logflume.exceptions import RunError
from logflume.runs.info import RunInfo
from logflume.runs.lock import FileLock, claim, find_holder
from logflume.runs.state import RunState

__all__ = ["Attempt", "open_attempt"]

PATIENCE_S = 2.0
"""How long another process that has the run is waited for, in seconds."""

_STATE = "{dir}/{run}/run.json"
_LOCK = "{dir}/{run}/run.lock"


class Attempt(msgspec.Struct):
    """An attempt of a run that is about to begin.

    Attributes:
        run: The run, with the number of the attempt.
        kinds: Kinds of the undeclared fields that earlier attempts have fixed.
        claim: The claim on the files of the run; None where they are this attempt's alone.
        number: The claim on the number of the attempt. It is held until the state is saved, and
            to the end where the files bear the number.
    """

    run: RunInfo
    kinds: dict[str, dict[str, str]]
    claim: FileLock | None
    number: FileLock

    def begin(self) -> None:
        """Let the number be free for others: the state that was saved tells that it is taken."""
        if self.claim is not None:
            self.number.release()

    def release(self) -> None:
        """Give up the run: it has ended, or could not begin."""
        self.number.release()
        if self.claim is not None:
            self.claim.release()


def open_attempt(run: RunInfo, when_claimed: Literal["error", "next_attempt"]) -> Attempt:
    """Claim a run, and return its first or next attempt.

    Args:
        run: The run and rank; its attempt is found here.
        when_claimed: What becomes of us while another process writes this run and rank.

    Raises:
        RunError: Another process writes the run, or its folder can't be read or written.
    """
    taken = _claim_patiently(run.expand(_LOCK))
    if taken is None:
        if when_claimed == "error":
            raise _refusal(run)
        run = msgspec.structs.replace(run, apart=True)
    with ExitStack() as undo:
        if taken is not None:
            undo.callback(taken.release)
        attempt = _number(run, taken)
        undo.pop_all()
    return attempt


def _claim_patiently(path: Path) -> FileLock | None:
    """Take a claim, also from a process that was just killed: the system needs a while to end it.

    A child that it forked at that moment may have the lock file open for as long.
    """
    give_up_s = time.monotonic() + PATIENCE_S
    while (taken := claim(path)) is None and time.monotonic() < give_up_s:
        time.sleep(0.02)
    return taken


def _number(run: RunInfo, taken: FileLock | None) -> Attempt:
    """Give the run the first number that no other process has, or is about to have."""
    states = _load_states(run)
    wanted = _next(states)
    while True:
        candidate = msgspec.structs.replace(run, attempt=wanted)
        number = claim(msgspec.structs.replace(candidate, apart=True).expand(_LOCK))
        if number is None:
            wanted += 1
            continue
        # Whoever had the number before has saved its state by now.
        states = _load_states(run)
        if wanted >= _next(states):
            return Attempt(candidate, _merge(states), taken, number)
        number.release()
        wanted = _next(states)


def _load_states(run: RunInfo) -> list[RunState]:
    """Return the states of the run and rank: of its latest attempt, and of those beside others."""
    main = msgspec.structs.replace(run, apart=False).expand(_STATE)
    pattern = re.compile(re.escape(main.stem).replace("run", r"run-attempt\d+", 1) + r"\.json")
    beside = (
        path for path in main.parent.glob("run-attempt*.json") if pattern.fullmatch(path.name)
    )
    return [state for path in (main, *beside) if (state := RunState.load(path)) is not None]


def _next(states: list[RunState]) -> int:
    return 1 + max((state.attempt for state in states), default=-1)


def _merge(states: list[RunState]) -> dict[str, dict[str, str]]:
    """Return the kinds that all states know; where two differ, those of the run's own files."""
    kinds: dict[str, dict[str, str]] = {}
    for state in reversed(states):
        for event_type, fields in state.kinds.items():
            kinds.setdefault(event_type, {}).update(fields)
    return kinds


def _refusal(run: RunInfo) -> RunError:
    path: Path = run.expand(_LOCK)
    holder = find_holder(path)
    who = (
        f"process {holder.pid} on {holder.host} has been writing it since {holder.since}"
        if holder
        else "another process is writing it"
    )
    return RunError(
        f"run {run.run!r}, rank {run.rank}: {who} (its lock: {path}). "
        "Stop that process, or choose another run (`run=`, LOGFLUME_RUN); or let this one be the "
        "next attempt beside it (`when_claimed: next_attempt`). Ranks of one run are told "
        "apart by RANK, which their launcher sets."
    )
