"""A benchmark of queries over large data, with logflume and with other systems.

    make bench-read        (or: python -m tests.benchmarks.read_cost --dir /data/big)

It generates the runs of `big_runs` and `prompt_runs`, and the same data for the other systems, if
they don't exist yet. Each query runs three times in a fresh process; the minimum counts, so the
files are in the page cache. CPU time and the time of the imports have columns of their own. All
systems must return the same result. Ratios refer to the first line of a query. pandas reads two of
the journal files, in chunks, and its time is scaled up to all of them.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.big_runs import EVENTS_OF_ONE, Sizes, make, parse_sizes
from tests.benchmarks.grpo_events import EVENTS_PER_STEP
from tests.benchmarks.peer_data import make_peers
from tests.benchmarks.prompt_runs import make_prompts_run
from tests.benchmarks.read_queries import QUERIES

_TRIES = 3
_SLOW_S = 10.0
_ROOT = Path(__file__).parents[2]


def main() -> None:
    """Generate what is missing, run all queries, print the table and store it as JSON."""
    sizes = parse_sizes(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    make(sizes)
    make_prompts_run(sizes.folder, sizes.events // 10)
    pythons = {"trackio": make_peers(sizes)}
    costs = []
    for query, systems in QUERIES.items():
        print(f"\n{query:32}{'time':>11}{'ratio':>9}{'CPU':>10}{'imports':>10}{'memory':>10}")
        first: dict[str, Any] = {}
        for system in systems:
            python = pythons.get(system, Path(sys.executable))
            if python is None:
                print(f"  {system:30}  (installation failed)")
                continue
            cost = _measure(python, sizes, query, system)
            first = first or cost
            _check(query, first, cost)
            costs.append({"question": query, "system": system, **cost})
            print(_line(system, cost, first), flush=True)
    path = sizes.folder / "read_cost.json"
    path.write_text(json.dumps({"events": sizes.events, "runs": sizes.runs, "found": costs}))
    print(f"\nResults as JSON: {path}")


def _line(system: str, cost: dict[str, Any], first: dict[str, Any]) -> str:
    ratio = cost["answer_s"] / first["answer_s"]
    return (
        f"  {system:30}{cost['answer_s']:9.3f} s{ratio:9.1f}"
        f"{cost['cpu_s']:8.2f} s{cost['import_s']:8.2f} s{cost['peak_mb']:7.0f} MB"
    )


def _measure(python: Path, sizes: Sizes, query: str, system: str) -> dict[str, Any]:
    """Return the lowest cost of several runs of a query; a slow query is not repeated."""
    runs, events = (1, sizes.events) if query.startswith("one") else (sizes.runs, EVENTS_OF_ONE)
    numbers = str(events // EVENTS_PER_STEP // 2), str(events * runs)
    module = [str(python), "-m", "tests.benchmarks.read_queries"]
    command = [*module, str(sizes.folder.resolve()), *numbers, query, system]
    costs: list[dict[str, Any]] = []
    while len(costs) < _TRIES and (not costs or costs[-1]["answer_s"] < _SLOW_S):
        costs.append(json.loads(subprocess.check_output(command, cwd=_ROOT)))
    return min(costs, key=lambda cost: float(cost["answer_s"]))


def _check(query: str, first: dict[str, Any], cost: dict[str, Any]) -> None:
    """Check that two results are equal. TensorBoard stores numbers as float32."""
    same = math.isclose(first["total"], cost["total"], rel_tol=1e-5)
    if cost["numbers"] is not None and (not same or first["numbers"] != cost["numbers"]):
        raise SystemExit(f"{query}: the results differ: {first} and {cost}")


if __name__ == "__main__":
    main()
