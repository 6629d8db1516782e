"""What reading costs at scale, beside others that read the same data, as ratios within one run.

    make bench-read        (or: python -m tests.benchmarks.read_cost --dir /data/big)

It makes the runs of `big_runs` and what the others read, if they are not there yet, and asks each
question in a fresh process, three times; the least time counts, so the files are in memory. The
time is that of the answer; the imports have a column of their own. All who answer a question
must agree. Ratios are to the first line. pandas reads two files of the journals, in chunks, and its
time is scaled up to all of them.
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
from tests.benchmarks.questions import QUESTIONS

_TRIES = 3
_SLOW_S = 10.0
_ROOT = Path(__file__).parents[2]


def main() -> None:
    """Make what is missing, ask everybody, print the table and keep it as JSON."""
    sizes = parse_sizes(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    make(sizes)
    pythons = {"trackio": make_peers(sizes)}
    found = []
    for question, systems in QUESTIONS.items():
        print(f"\n{question:32}{'answer':>11}{'ratio':>9}{'imports':>10}{'memory':>10}")
        first: dict[str, Any] = {}
        for system in systems:
            python = pythons.get(system, Path(sys.executable))
            if python is None:
                print(f"  {system:30}  (could not be installed)")
                continue
            cost = _ask(python, sizes, question, system)
            first = first or cost
            _check(question, first, cost)
            found.append({"question": question, "system": system, **cost})
            print(_line(system, cost, first), flush=True)
    path = sizes.folder / "read_cost.json"
    path.write_text(json.dumps({"events": sizes.events, "runs": sizes.runs, "found": found}))
    print(f"\nThe same as JSON: {path}")


def _line(system: str, cost: dict[str, Any], first: dict[str, Any]) -> str:
    ratio = cost["answer_s"] / first["answer_s"]
    return (
        f"  {system:30}{cost['answer_s']:9.3f} s{ratio:9.1f}"
        f"{cost['import_s']:8.2f} s{cost['peak_mb']:7.0f} MB"
    )


def _ask(python: Path, sizes: Sizes, question: str, system: str) -> dict[str, Any]:
    """Return the cost of one answer, the least of several; one that takes long is asked once."""
    runs, events = (1, sizes.events) if question.startswith("one") else (sizes.runs, EVENTS_OF_ONE)
    numbers = str(events // EVENTS_PER_STEP // 2), str(events * runs)
    module = [str(python), "-m", "tests.benchmarks.questions"]
    command = [*module, str(sizes.folder.resolve()), *numbers, question, system]
    costs: list[dict[str, Any]] = []
    while len(costs) < _TRIES and (not costs or costs[-1]["answer_s"] < _SLOW_S):
        costs.append(json.loads(subprocess.check_output(command, cwd=_ROOT)))
    return min(costs, key=lambda cost: float(cost["answer_s"]))


def _check(question: str, first: dict[str, Any], cost: dict[str, Any]) -> None:
    """Make sure that two answers are the same. TensorBoard keeps numbers as float32."""
    same = math.isclose(first["total"], cost["total"], rel_tol=1e-5)
    if cost["numbers"] is not None and (not same or first["numbers"] != cost["numbers"]):
        raise SystemExit(f"{question}: the answers differ: {first} and {cost}")


if __name__ == "__main__":
    main()
