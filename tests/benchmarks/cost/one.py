"""One measurement of one peer, in a process of its own.

    python -m tests.benchmarks.cost.one PEER MEASUREMENT FOLDER RESULT

Standard output and error are the peer's; what was measured goes to the file RESULT.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.cost import tree
from tests.benchmarks.cost.beside import busy
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.pace import WARM_UP, make_calls
from tests.benchmarks.cost.work import prepare
from tests.benchmarks.peers.catalogue import make
from tests.benchmarks.peers.protocol import Settling

__all__ = ["measure"]


def measure(name: str, what: Measurement, folder: Path) -> dict[str, Any]:
    """Open the peer, call, close it, and return what that cost.

    Returns:
        `took_ns` of each call; `calling_s` and `close_s`; `cpu_s` of all processes, from the first
        call to the end of `close`; `peak_bytes` of all, above what there was before the peer was
        imported; `disk_bytes` in the folder.
    """
    tree.adopt_orphans()
    call_of = prepare(what.work)
    tree.forget_peak()
    before_bytes = tree.peak_bytes()
    peer = make(name)
    peer.open(folder)
    call = call_of(peer)
    for number in range(WARM_UP):
        call(number)
    if isinstance(peer, Settling):
        peer.sanitize()
    with busy(what.beside):
        cpu_s, started_s = tree.cpu_s(), time.perf_counter()
        took_ns = make_calls(
            lambda number: call(WARM_UP + number),
            rate=what.rate,
            seconds=what.seconds,
            most=what.most,
        )
        calling_s = time.perf_counter() - started_s
    peak_bytes = tree.peak_bytes()  # helpers that `close` ends would be missed afterwards
    started_s = time.perf_counter()
    peer.close()
    close_s = time.perf_counter() - started_s
    return {
        "took_ns": took_ns,
        "calling_s": calling_s,
        "close_s": close_s,
        "cpu_s": tree.cpu_s() - cpu_s,
        "peak_bytes": max(peak_bytes, tree.peak_bytes()) - before_bytes,
        "disk_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def main() -> None:
    """Measure, and write the result."""
    name, what, folder, result = sys.argv[1:]
    found = measure(name, Measurement.from_json(what), Path(folder))
    Path(result).write_text(json.dumps(found))
    os._exit(0)  # some peers' threads hold up the exit for minutes after their close has returned


if __name__ == "__main__":
    main()
