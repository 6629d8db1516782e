"""The command of `make bench`: runs the benchmark, and writes its JSON, Markdown and plot.

python -m tests.benchmarks.cost                          # everything; 15 minutes
python -m tests.benchmarks.cost --quick                  # a smoke test; 2 minutes
python -m tests.benchmarks.cost --peers 'structlog' 'torch SummaryWriter'
python -m tests.benchmarks.cost --only worst --minutes 10
python -m tests.benchmarks.cost --only memory --events 10000000
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from tests.benchmarks.cost.all_peers import measure_imports, measure_peers
from tests.benchmarks.cost.machine import describe, versions
from tests.benchmarks.cost.markdown_tables import markdown
from tests.benchmarks.cost.plan import FULL, QUICK, Plan
from tests.benchmarks.cost.plot import draw
from tests.benchmarks.cost.solo_runner import BENCHMARKS, run_solo
from tests.benchmarks.cost.targets import evaluate_targets
from tests.benchmarks.peers.peer_list import PEERS, TARGET_PEERS

_ROOT = Path(__file__).parents[3]
RESULTS = _ROOT / "tests" / "benchmarks" / "results" / "cost.json"
PLOT = _ROOT / "docs" / "call_cost.png"
PAGE = _ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- make bench: begin -->\n", "<!-- make bench: end -->"


def main() -> None:
    """Measure and print; store the results of a complete run."""
    options = _parse()
    plan = QUICK if options.quick else FULL
    plan = plan._replace(
        worst_minutes=options.minutes or plan.worst_minutes,
        memory_events=options.events or plan.memory_events,
        overload_events=options.events or plan.overload_events,
        sustained_events=options.events or plan.sustained_events,
    )
    if options.only:
        print(json.dumps(run_solo(plan, options.only), indent=2))
        return
    results = measure(plan, options.peers or list(PEERS))
    results["command"] = "make bench"
    print(markdown(results))
    if not options.quick and not options.peers:
        store(results)


def measure(plan: Plan, peers: list[str]) -> dict[str, Any]:
    """Return all results, in the form of the JSON file."""
    measurements, missing = measure_peers(plan.measurements, peers, plan.repeats)
    compared = [peer for peer in peers if peer in TARGET_PEERS]
    paced, _ = measure_peers(plan.other_paces, compared, repeats=1)
    ours = run_solo(plan)
    return {
        "machine": describe(),
        "versions": versions(),
        "measurements": [*measurements, *paced],
        "import_s": measure_imports(plan.import_repeats, peers),
        "missing": missing,
        "ours": ours,
        "targets": [list(target) for target in evaluate_targets(measurements, ours)],
    }


def store(results: dict[str, Any]) -> None:
    """Write the JSON file, the plot, and the tables of the documentation between their markers."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    draw(results["measurements"], PLOT)
    PAGE.write_text(replace_between_markers(PAGE.read_text(), markdown(results)))


def replace_between_markers(text: str, new: str) -> str:
    """Return `text` with the part between the markers replaced by `new`.

    Raises:
        SystemExit: There is not exactly one pair of markers.
    """
    pattern = re.compile(f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise SystemExit(f"{PAGE.name} must have each of the lines {BEGIN.strip()} and {END} once")
    return pattern.sub(lambda _: f"\n{new}\n\n", text)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.cost",
        description="Measure what logging costs, with logflume and with other libraries.",
    )
    parser.add_argument("--quick", action="store_true", help="run a smoke test, store nothing")
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, metavar="PEER", help="measure only these peers"
    )
    parser.add_argument(
        "--only", choices=BENCHMARKS, help="run only this benchmark of logflume alone"
    )
    parser.add_argument("--minutes", type=float, help="how long to search for the worst call")
    parser.add_argument(
        "--events", type=int, help="events for `memory`, `overload` and `sustained`"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
