"""A program that makes one measurement of one peer.

    python -m tests.benchmarks.cost.measure_peer PEER MEASUREMENT FOLDER RESULT

The peer owns standard output and error; the measured values are written to the file RESULT.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.cost import process_tree
from tests.benchmarks.cost.background_load import background_load
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.pace import WARM_UP, make_calls
from tests.benchmarks.cost.workload import prepare
from tests.benchmarks.peers.peer_list import make
from tests.benchmarks.peers.protocol import Flushable

__all__ = ["measure"]


def measure(name: str, measurement: Measurement, folder: Path) -> dict[str, Any]:
    """Open a peer, make the calls, close it, and return the costs.

    Returns:
        `took_ns` of each call; `calling_s` and `close_s`; `cpu_s` of all processes, from the first
        call to the end of `close`; `peak_bytes` of all processes, above the memory before the peer
        was imported; `disk_bytes` in the folder.
    """
    process_tree.adopt_orphans()
    call_of = prepare(measurement.workload)
    process_tree.reset_peak()
    before_bytes = process_tree.peak_bytes()
    peer = make(name)
    peer.open(folder)
    call = call_of(peer)
    for number in range(WARM_UP):
        call(number)
    if isinstance(peer, Flushable):
        peer.flush()
    with background_load(measurement.background):
        cpu_s, started_s = process_tree.cpu_s(), time.perf_counter()
        took_ns = make_calls(
            lambda number: call(WARM_UP + number),
            rate=measurement.rate,
            seconds=measurement.seconds,
            max_calls=measurement.max_calls,
        )
        calling_s = time.perf_counter() - started_s
    peak_bytes = process_tree.peak_bytes()  # before `close` ends helper processes
    started_s = time.perf_counter()
    peer.close()
    close_s = time.perf_counter() - started_s
    return {
        "took_ns": took_ns,
        "calling_s": calling_s,
        "close_s": close_s,
        "cpu_s": process_tree.cpu_s() - cpu_s,
        "peak_bytes": max(peak_bytes, process_tree.peak_bytes()) - before_bytes,
        "disk_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def main() -> None:
    """Measure and write the result."""
    name, measurement, folder, result = sys.argv[1:]
    costs = measure(name, Measurement.from_json(measurement), Path(folder))
    Path(result).write_text(json.dumps(costs))
    os._exit(0)  # threads of some peers delay the exit for minutes after `close` has returned


if __name__ == "__main__":
    main()
