"""The cost of a log call in instructions and copies, which are the same on every machine.

Durations would make the tests flaky. Bytecode differs between versions of Python, so instructions
are compared with those of structlog's own call in the same process; this ratio differs by 5%
between 3.11 and 3.13. Copies of the fields are found by the memory that an instruction allocates.
C code isn't counted.
"""

from __future__ import annotations

import contextvars
import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import orjson
import pytest
import structlog

import logflume
from tests.benchmarks.cost.workload import SCALAR_NAMES
from tests.benchmarks.peers.all_sinks import config
from tests.instruction_counts import (
    count_allocations,
    count_instructions,
    count_thread_instructions,
)

FIELDS = {name: number / 7 for number, name in enumerate(SCALAR_NAMES)}
EVENTS = 200
BATCHES = 100
TIMEOUT_S = 120.0
TOLERANCE = 1.15

CALLER = 0.57
"""Instructions of the caller, relative to structlog's call; a sixth of them bound its memory."""

WORKER_THREADS = 45.7
"""Instructions per event of the worker and the threads of all five sinks, relative to
structlog's call. The line that the console makes of a report and the diagnosis take most."""

REWARDS = 109.0
"""The same for a `reward` event with 3 x 64 values."""

SENDER_THREADS = 0.40
"""The same in the training process, when a worker process does the work."""

COPIES = 3
"""Dicts of all fields that a call makes. There is no tolerance: any further copy fails the test."""

_COPY_BYTES = sys.getsizeof(dict(FIELDS)) * 3 // 4


def _check(what: str, measured: float, stated: float, tolerance: float = TOLERANCE) -> None:
    """Fail if the cost has risen, with advice on what to do about it."""
    print(f"{what}: {measured:.4g}, stated {stated}")
    assert measured <= stated * tolerance, (
        f"{what}: {measured:.4g}, but this file states {stated} (tolerance {tolerance - 1:.0%}). "
        "Check what your change does for every event: a loop over the fields, a copy, a call per "
        "field. If it is worth the cost, state the new number here and explain it in the CHANGELOG."
    )


def _structlog_call() -> Callable[[], object]:
    log = structlog.wrap_logger(
        structlog.BytesLogger(io.BytesIO()),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    )
    return lambda: log.bind(step=3).info("training", **FIELDS)


_LOG = logflume.get_training_logger()


def _call() -> None:
    _LOG.bind(step=3).info("training", **FIELDS)


def _warm_count(call: Callable[[], object]) -> int:
    """Return the instructions of a call after two warm-up calls, in which Python specializes it.

    The context is empty: context variables of other libraries would lengthen the call's path.
    """
    context = contextvars.Context()
    return [context.run(count_instructions, call) for _ in range(3)][-1]


def _copies(call: Callable[[], object]) -> int:
    _warm_count(call)
    return contextvars.Context().run(count_allocations, call, _COPY_BYTES)


def test_instructions_of_the_caller() -> None:
    """bind and info with 22 fields take half as many instructions as structlog's own call."""
    measured = _warm_count(_call) / _warm_count(_structlog_call())

    _check("instructions of a call, relative to structlog's", measured, CALLER)


def test_copies_of_the_fields() -> None:
    """A call merges keyword arguments and bound context once and makes no other copy of them."""
    _check("dicts of all fields per call", _copies(_call), COPIES, tolerance=1)


# Sending takes so few instructions that the random number of the sender's idle wake-ups matters.
@pytest.mark.parametrize(
    ("worker", "stated", "tolerance"),
    [("thread", WORKER_THREADS, TOLERANCE), ("process", SENDER_THREADS, 1.5)],
)
def test_instructions_of_the_background_threads(
    worker: str, stated: float, tolerance: float, tmp_path: Path
) -> None:
    """From the buffer to all five sinks, an event takes the stated number of instructions."""
    reference = _warm_count(_structlog_call())
    with count_thread_instructions() as counts:
        logflume.initialize({**config(), "worker": worker}, dir=tmp_path)
        _call()
        assert logflume.flush(TIMEOUT_S)
        before = counts.total()
        for step in range(EVENTS):
            _LOG.bind(step=step).info("training", **FIELDS)
        assert logflume.flush(TIMEOUT_S)
        measured = (counts.total() - before) / EVENTS / reference

        print({t.name: counts[t.ident or 0] // EVENTS for t in threading.enumerate()})
    assert logflume.shutdown(TIMEOUT_S)
    what = f"background instructions per event with worker: {worker}, relative to structlog's"
    _check(what, measured, stated, tolerance)


def test_instructions_of_a_batch_of_rewards(tmp_path: Path) -> None:
    """Three functions' rewards of 64 completions take the stated number of instructions."""
    reference = _warm_count(_structlog_call())
    names = [f"rewards/{name}" for name in ("correctness", "format", "length")]
    rng = Random(0)
    batches = [{n: [rng.random() for _ in range(64)] for n in names} for _ in range(BATCHES)]
    log = logflume.get_reward_logger()
    with count_thread_instructions() as counts:
        logflume.initialize({**config(), "worker": "thread"}, dir=tmp_path)
        log.bind(step=0).info("reward", num_generations=8, **batches[0])
        assert logflume.flush(TIMEOUT_S)
        before = counts.total()
        for step, rewards in enumerate(batches, 1):
            log.bind(step=step).info("reward", num_generations=8, **rewards)
        assert logflume.flush(TIMEOUT_S)
        measured = (counts.total() - before) / BATCHES / reference
    assert logflume.shutdown(TIMEOUT_S)
    _check("instructions of a batch of rewards, relative to structlog's call", measured, REWARDS)


def test_an_unnecessary_copy_is_detected() -> None:
    """The check detects one more copy of the fields, and one more loop over them."""

    def copying() -> object:
        copy = dict(FIELDS)
        _call()
        return copy

    def looping() -> object:
        _call()
        return [len(name) for name in FIELDS]

    _call()
    reference = _warm_count(_structlog_call())

    with pytest.raises(AssertionError, match="Check what your change does"):
        _check("copy", _copies(copying), COPIES, tolerance=1)
    with pytest.raises(AssertionError, match="Check what your change does"):
        _check("loop", _warm_count(looping) / reference, CALLER)
