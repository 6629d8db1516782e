"""Which measurements are made, whole and quick."""

from __future__ import annotations

from typing import NamedTuple

from tests.benchmarks.cost.measurement import Measurement

__all__ = ["GIL_BUSY", "QUICK", "SCALARS_BURST", "TEXTS_BURST", "WHOLE", "Plan"]

_TEXT_CALLS = 60

SCALARS_BURST = Measurement().label()
TEXTS_BURST = Measurement(work="completions").label()
GIL_BUSY = Measurement(rate=1_000.0, beside="python").label()


class Plan(NamedTuple):
    """A run of the benchmark.

    Attributes:
        measurements: What is measured of each peer.
        turns: How often a peer is measured that a target is about.
        import_tries: Fresh interpreters for the import; the median counts.
        worst_minutes: Length of the search for the worst call.
        memory_events: Events over which the memory has to stay flat.
        overload_events: Events with which the buffer is kept full.
        sustained_events: Events that have to get through one core.
        has_demo: Whether the demo is trained, with and without.
    """

    measurements: list[Measurement]
    turns: int
    import_tries: int
    worst_minutes: float
    memory_events: int
    overload_events: int
    sustained_events: int
    has_demo: bool


def _paced(seconds: dict[float, float]) -> list[Measurement]:
    return [
        Measurement(rate=rate, beside=beside, seconds=seconds[rate])
        for rate in seconds
        for beside in ("python", "matmul")
    ]


WHOLE = Plan(
    measurements=[
        Measurement(seconds=2.0),
        *_paced({100.0: 2.0, 1_000.0: 2.0, 10_000.0: 1.0}),
        Measurement(work="completions", seconds=2.0, most=_TEXT_CALLS),
    ],
    turns=5,
    import_tries=5,
    worst_minutes=10.0,
    memory_events=1_000_000,
    overload_events=300_000,
    sustained_events=200_000,
    has_demo=True,
)

QUICK = Plan(
    measurements=[
        Measurement(seconds=0.3, most=2_000),
        Measurement(rate=1_000.0, beside="python", seconds=0.5),
        Measurement(work="completions", seconds=0.3, most=10),
    ],
    turns=1,
    import_tries=1,
    worst_minutes=0.1,
    memory_events=50_000,
    overload_events=50_000,
    sustained_events=20_000,
    has_demo=False,
)
