"""The measurements of a complete and of a quick run of the benchmark."""

from __future__ import annotations

from typing import NamedTuple

from tests.benchmarks.cost.measurement import Measurement

__all__ = ["FULL", "GIL_BUSY", "QUICK", "SCALARS_BURST", "TEXTS_BURST", "Plan"]

_TEXT_CALLS = 60

SCALARS_BURST = Measurement().label()
TEXTS_BURST = Measurement(workload="completions").label()
GIL_BUSY = Measurement(rate=1_000.0, background="python").label()


class Plan(NamedTuple):
    """What one run of the benchmark measures.

    Attributes:
        measurements: The measurements of each peer.
        other_paces: Further measurements of the peers that a target refers to.
        repeats: How often a peer is measured for a target that refers to it.
        import_repeats: Fresh interpreters per import; the median counts.
        worst_minutes: How long to search for the worst call.
        memory_events: Events over which memory has to stay flat.
        overload_events: Events that keep the buffer full.
        sustained_events: Events to process on one core.
        has_demo: Whether to train the demo with and without capture.
    """

    measurements: list[Measurement]
    other_paces: list[Measurement]
    repeats: int
    import_repeats: int
    worst_minutes: float
    memory_events: int
    overload_events: int
    sustained_events: int
    has_demo: bool


FULL = Plan(
    measurements=[
        Measurement(seconds=2.0),
        Measurement(rate=1_000.0, background="python", seconds=2.0),
        Measurement(workload="completions", seconds=2.0, max_calls=_TEXT_CALLS),
    ],
    other_paces=[
        Measurement(rate=100.0, background="python", seconds=2.0),
        Measurement(rate=10_000.0, background="python", seconds=1.0),
        Measurement(rate=1_000.0, background="matmul", seconds=2.0),
        Measurement(rate=10_000.0, background="matmul", seconds=1.0),
    ],
    repeats=5,
    import_repeats=3,
    worst_minutes=3.0,
    memory_events=120_000,
    overload_events=100_000,
    sustained_events=40_000,
    has_demo=True,
)

QUICK = Plan(
    measurements=[
        Measurement(seconds=0.3, max_calls=2_000),
        Measurement(rate=1_000.0, background="python", seconds=0.5),
        Measurement(workload="completions", seconds=0.3, max_calls=10),
    ],
    other_paces=[],
    repeats=1,
    import_repeats=1,
    worst_minutes=0.1,
    memory_events=15_000,
    overload_events=20_000,
    sustained_events=10_000,
    has_demo=False,
)
