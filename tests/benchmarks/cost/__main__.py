"""`make bench`: everything, or a part of it, as JSON, Markdown and a plot.

python -m tests.benchmarks.cost                          # all; half an hour
python -m tests.benchmarks.cost --quick                  # is it still working? 3 minutes
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

from tests.benchmarks.cost.asking import QUESTIONS, ask_ours
from tests.benchmarks.cost.everyone import ask_imports, measure_all
from tests.benchmarks.cost.machine import describe, versions
from tests.benchmarks.cost.plan import QUICK, WHOLE, Plan
from tests.benchmarks.cost.plot import draw
from tests.benchmarks.cost.tables import markdown
from tests.benchmarks.cost.targets import judge
from tests.benchmarks.peers.catalogue import PEERS

_ROOT = Path(__file__).parents[3]
RESULTS = _ROOT / "tests" / "benchmarks" / "results" / "cost.json"
PLOT = _ROOT / "docs" / "call_cost.png"
README = _ROOT / "README.md"
BEGIN, END = "<!-- make bench: begin -->\n", "<!-- make bench: end -->"


def main() -> None:
    """Measure, print, and keep what is complete."""
    options = _parse()
    plan = QUICK if options.quick else WHOLE
    plan = plan._replace(
        worst_minutes=options.minutes or plan.worst_minutes,
        memory_events=options.events or plan.memory_events,
        overload_events=options.events or plan.overload_events,
        sustained_events=options.events or plan.sustained_events,
    )
    if options.only:
        print(json.dumps(ask_ours(plan, options.only), indent=2))
        return
    found = measure(plan, options.peers or list(PEERS))
    found["command"] = "make bench"
    print(markdown(found))
    if not options.quick and not options.peers:
        keep(found)


def measure(plan: Plan, peers: list[str]) -> dict[str, Any]:
    """Return all that is measured, in the form of the JSON file."""
    measurements, missing = measure_all(plan.measurements, peers, plan.turns)
    ours = ask_ours(plan)
    return {
        "machine": describe(),
        "versions": versions(),
        "measurements": measurements,
        "import_s": ask_imports(plan.import_tries, peers),
        "missing": missing,
        "ours": ours,
        "targets": [list(target) for target in judge(measurements, ours)],
    }


def keep(found: dict[str, Any]) -> None:
    """Write the JSON, the plot, and the README's tables between their markers."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    draw(found["measurements"], PLOT)
    README.write_text(between_markers(README.read_text(), markdown(found)))


def between_markers(text: str, new: str) -> str:
    """Return the text with what is between the markers replaced.

    Raises:
        SystemExit: The markers aren't there.
    """
    pattern = re.compile(f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise SystemExit(f"README.md needs the lines {BEGIN.strip()} and {END}, once each")
    return pattern.sub(lambda _: f"\n{new}\n\n", text)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.cost", description="What logging costs, beside others."
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test; nothing is kept")
    parser.add_argument("--peers", nargs="+", choices=PEERS, metavar="PEER", help="only these")
    parser.add_argument("--only", choices=QUESTIONS, help="one question to logflume alone")
    parser.add_argument("--minutes", type=float, help="length of the search for the worst call")
    parser.add_argument(
        "--events", type=int, help="events for `memory`, `overload` and `sustained`"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
