"""A program of several parts, each a run that is started, logged to, disturbed and closed."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

import logflume
from logflume.exceptions import RunError
from logflume.runs.lock import is_locked
from logflume.runtime.lifecycle import current_run
from tests.fake_sinks import wait_until
from tests.torture.busy_run import CONFIG, TYPES, text_for
from tests.torture.resource_limits import limited
from tests.worker_process.children import has_ended, workers

__all__ = [
    "FAULTS",
    "LACKS",
    "OWN_EVENTS",
    "Ended",
    "Part",
    "log_and_end",
    "read_ended",
    "read_journals",
]

SINKS = {
    "csv": {
        **CONFIG["sinks"]["csv"],
        "columns": ["run", "attempt", "rank", "seq", "number", "text"],
    },
    "parquet": CONFIG["sinks"]["parquet"],
}
"""The sinks that can be added to the journal. By its first columns CSV finds what it lacks."""

PAUSE_EVERY = 256
"""Events after which a part pauses for a moment: the worker shall get on while it logs."""

OWN_EVENTS = 6
"""The most events of the pipeline's own that one part may lose."""


class Part(msgspec.Struct, kw_only=True):
    """One run of the program, from `initialize()` to the end of `shutdown()`.

    Attributes:
        run: Run id. A later part with the same id continues the run.
        worker: The configuration's `worker`.
        sinks: The sinks in addition to the journal.
        events: How many events are logged.
        fault: A key of `FAULTS`.
        moment: From when on the fault's time counts: `start`, `logging` or `shutdown`.
        delay_s: When the fault begins, from then on.
        duration_s: How long it lasts, or when the second Ctrl-C comes.
        pause_s: How much longer every batch of the journal takes.
        rotate_bytes: Size in bytes at which a new file of the journal is started.
        timeout_s: The argument of `shutdown()`.
        is_awaited: Whether the fault is over before the next part starts.
    """

    run: str
    worker: str
    sinks: list[str]
    events: int
    fault: str
    moment: str
    delay_s: float
    duration_s: float
    pause_s: float = 0.0
    rotate_bytes: int = 2**30
    timeout_s: float | None = None
    is_awaited: bool = True


class Ended(msgspec.Struct, kw_only=True):
    """What the program knows of a part that has ended.

    Attributes:
        part: The part.
        first: The first number that it logged.
        end: The number after the last.
        uncertain: Those of them whose call raised `MemoryError`, as any line of Python may.
        attempt: The latest attempt of the run by then.
        done: What `shutdown()` returned; None if Ctrl-C interrupted it.
        status: The status in `run.json`.
        report: `logflume.report()`.
        rows: By sink, the events of the latest attempt that are in its files; empty if not at rest.
        is_at_rest: Whether nothing could write any more when the counts were made.
        is_locked: Whether the run was still locked.
        was_refused: Whether the run could be opened only after the fault of the part before.
    """

    part: Part
    first: int
    end: int
    uncertain: list[int]
    attempt: int
    done: bool | None
    status: str
    report: dict[str, Any]
    rows: dict[str, int]
    is_at_rest: bool
    is_locked: bool
    was_refused: bool


class Interrupts:
    """Lets Ctrl-C raise `KeyboardInterrupt` only while the program closes a run."""

    def __init__(self) -> None:
        self.count = 0
        self.is_allowed = False
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_allowed:
            self.count += 1
            raise KeyboardInterrupt


Fault = Callable[[Path], AbstractContextManager[None]]
"""Takes the path of the journal's gate; what it returns begins a fault, and ends it."""


@contextmanager
def _kill(_gate: Path) -> Iterator[None]:
    for worker in workers():
        worker.kill()
    yield


@contextmanager
def _stop(_gate: Path) -> Iterator[None]:
    stopped = workers()
    for worker in stopped:
        worker.suspend()
    yield
    for worker in stopped:
        if not has_ended(worker):
            worker.resume()


@contextmanager
def _hang(gate: Path) -> Iterator[None]:
    gate.touch()
    yield
    gate.unlink(missing_ok=True)


@contextmanager
def _interrupt(_gate: Path) -> Iterator[None]:
    os.kill(os.getpid(), signal.SIGINT)
    yield
    os.kill(os.getpid(), signal.SIGINT)


def _interrupted(fault: Fault) -> Fault:
    """Return a fault during which Ctrl-C comes twice."""

    @contextmanager
    def begin(gate: Path) -> Iterator[None]:
        with fault(gate), _interrupt(gate):
            yield

    return begin


FAULTS: dict[str, Fault] = {
    "no fault": lambda _gate: nullcontext(),
    "worker killed": _kill,
    "worker stopped": _stop,
    "disk hangs": _hang,
    "Ctrl-C twice": _interrupt,
    "worker stopped, Ctrl-C twice": _interrupted(_stop),
    "disk hangs, Ctrl-C twice": _interrupted(_hang),
}
"""The faults of an end, by name."""


def _killed(limit: str) -> Fault:
    """Return a fault in which this process lacks something just when its worker process dies."""

    @contextmanager
    def begin(_gate: Path) -> Iterator[None]:
        # To find the worker process takes what is about to lack.
        killed = [worker.pid for worker in workers()]
        with limited(limit, [os.getpid()]):
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            yield

    return begin


LACKS: dict[str, Fault] = {
    "no files": lambda _gate: limited("NOFILE", [os.getpid()]),
    "no memory": lambda _gate: limited("AS", [os.getpid()]),
    "no processes": lambda _gate: limited("NPROC", [os.getpid()]),
    "worker without files": lambda _gate: limited("NOFILE", [w.pid for w in workers()]),
    "worker without memory": lambda _gate: limited("AS", [w.pid for w in workers()]),
    "no files, worker killed": _killed("NOFILE"),
    "no memory, worker killed": _killed("AS"),
}
"""What a process may lack for a moment, by name."""


def log_and_end(folder: str, ended_path: str, parts: list[Any]) -> None:
    """Run the parts one after another in this process.

    Args:
        folder: Where the runs are.
        ended_path: The file that gets a line for each part that has ended.
        parts: The parts, as plain values.
    """
    interrupts = Interrupts()
    gate = Path(folder, "gate")
    first = 0
    faults: list[threading.Thread] = []
    with Path(ended_path).open("wb", buffering=0) as file:
        for part in msgspec.convert(parts, list[Part]):
            ended = _run_part(part, first, Path(folder), gate, interrupts, faults)
            file.write(msgspec.json.encode(ended) + b"\n")
            first = ended.end
    for fault in faults:
        fault.join()


def read_ended(path: Path) -> list[Ended]:
    """Return what a program noted of its parts."""
    content = path.read_bytes() if path.exists() else b""
    return [msgspec.json.decode(line, type=Ended) for line in content.splitlines()]


def read_journals(run: Path) -> list[dict[str, Any]]:
    """Return all events of a run's journals as they are in the files, rotated ones too."""
    lines: list[bytes] = []
    for path in sorted(run.glob("events*.jsonl*")):
        with pa.input_stream(str(path)) as stream:
            lines += stream.read().splitlines()
    return [json.loads(line) for line in lines]


def _fields_for(number: int) -> dict[str, Any]:
    """Return the fields that are logged with a number; every third event has no step."""
    step = {"step": number} if number % 3 else {}
    return {"number": number, "text": text_for(number), **step}


def _run_part(
    part: Part,
    first: int,
    folder: Path,
    gate: Path,
    interrupts: Interrupts,
    faults: list[threading.Thread],
) -> Ended:
    fault = threading.Thread(target=_disturb, args=(part, gate), daemon=True)
    if part.moment == "start":
        fault.start()
    was_refused = _open(part, folder, gate, fault)
    if part.moment == "logging":
        fault.start()
    end = first + part.events
    uncertain = _log(range(first, end))
    if part.moment == "shutdown":
        fault.start()
    faults.append(fault)
    done = _close(part, interrupts)
    if part.is_awaited:
        fault.join()
    run = folder / part.run
    report = msgspec.to_builtins(logflume.report())
    state = json.loads((run / "run.json").read_text())
    # A killed worker process leaves no counts of its sinks; a thread given up still writes.
    is_at_rest = done or not report["sinks"]
    if part.is_awaited:
        wait_until(lambda: not is_locked(run / "run.lock"))
    return Ended(
        part=part,
        first=first,
        end=end,
        uncertain=uncertain,
        attempt=state["attempt"],
        done=done,
        status=state["status"],
        report=report,
        rows=_count_rows(run, state["attempt"]) if is_at_rest else {},
        is_at_rest=is_at_rest,
        is_locked=is_locked(run / "run.lock") and (is_at_rest or part.is_awaited),
        was_refused=was_refused,
    )


def _open(part: Part, folder: Path, gate: Path, fault: threading.Thread) -> bool:
    """Start or continue the run; return whether a fault, which is over now, prevented that."""
    try:
        logflume.initialize(_config(part, gate), dir=folder, run=part.run)
    except RunError:
        if part.moment == "start":
            fault.join()
        elif not gate.exists():
            raise
        gate.unlink(missing_ok=True)
        logflume.initialize(_config(part, gate), dir=folder, run=part.run)
        return True
    return False


def _log(numbers: range) -> list[int]:
    """Log the numbers; return those of which nobody knows whether they were logged."""
    log = logflume.get_logger()
    pause = threading.Event()
    uncertain = []
    for number in numbers:
        try:
            log.info(TYPES[number % 2], **_fields_for(number))
        except MemoryError:
            uncertain.append(number)
        if number % PAUSE_EVERY == 0:
            pause.wait(0.002)
    return uncertain


def _config(part: Part, gate: Path) -> dict[str, Any]:
    journal = {
        "type": "tests.torture.ending_sinks:GatedJournal",
        "path": "{dir}/{run}/events.jsonl",
        "gate": str(gate),
        "pause_s": part.pause_s,
        "rotate_bytes": part.rotate_bytes,
    }
    sinks = {"jsonl": journal, **{name: SINKS[name] for name in part.sinks}}
    return {
        "worker": part.worker,
        "root": {"level": "INFO", "sinks": list(sinks)},
        "sinks": sinks,
        # Nothing is dropped for lack of room, so whatever is missing was lost at an end.
        "buffer": {"size": 200_000, "flush_interval_s": 0.02},
        "shutdown_timeout_s": 3.0,
    }


def _disturb(part: Part, gate: Path) -> None:
    """Begin the part's fault in time, and end it."""
    pause = threading.Event()
    pause.wait(part.delay_s)
    fault = (FAULTS | LACKS)[part.fault](gate)
    with suppress(psutil.NoSuchProcess, ProcessLookupError), fault:
        pause.wait(part.duration_s)


def _close(part: Part, interrupts: Interrupts) -> bool | None:
    """Close the run; after Ctrl-C once more, as at the end of a process."""
    interrupts.count = 0
    interrupts.is_allowed = True
    while True:
        try:
            done = logflume.shutdown(part.timeout_s)
            interrupts.is_allowed = False
        except KeyboardInterrupt:
            continue
        assert current_run() is None
        return None if interrupts.count else done


def _count_rows(run: Path, attempt: int) -> dict[str, int]:
    """Count the events of an attempt in the files of every sink."""
    rows = {"jsonl": sum(event["attempt"] == attempt for event in read_journals(run))}
    if (path := run / "rows.csv").exists():
        with path.open(newline="") as file:
            rows["csv"] = sum(row["attempt"] == str(attempt) for row in csv.DictReader(file))
    if (path := run / "parquet").exists():
        parts = [part for part in path.rglob("*.parquet") if not part.name.startswith(".")]
        columns = (pq.read_table(part, columns=["attempt"])["attempt"] for part in parts)
        rows["parquet"] = sum(column.to_pylist().count(attempt) for column in columns)
    return rows
