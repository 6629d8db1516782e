"""Measures the error rates of the detectors: `make bench-diagnosis`.

On labelled runs: those of a simulated policy (`simulated.py`), the same ones with about 100
reports, the held-out half of those with drawn curves (`corpus.py`), and short runs of other styles,
which thresholds were chosen with (`short_runs.py`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from statistics import median

from tests.diagnosis import corpus, short_runs, simulated
from tests.diagnosis.corpus import LabelledRun
from tests.diagnosis.feeding import Outcome, diagnose, judge

__all__ = ["main"]


def main() -> None:
    """Print recall and delay of each failure, and the false alarms, of each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    sets = ["simulated", "simulated_short", "held_out", "short"]
    parser.add_argument("--sets", nargs="*", default=sets)
    parser.add_argument(
        "--seed", type=int, default=simulated.FIRST_SEED, help="the first one of the simulation"
    )
    parser.add_argument("--healthy", type=int, default=200, help="number of healthy runs")
    parser.add_argument("--each", type=int, default=10, help="number of runs of each failure")
    options = parser.parse_args()
    healthy, each = options.healthy, options.each
    for name in options.sets:
        print(f"\n== {name}")
        if name == "simulated":
            measure_healthy(simulated.healthy_runs(healthy, options.seed))
            measure_failures(simulated.failing_runs(each, options.seed))
        elif name == "simulated_short":
            measure_failures(simulated.failing_runs(each, options.seed, simulated.SHORT_SETTINGS))
        elif name == "short":
            measure(short_runs.healthy_runs(healthy), short_runs.failing_runs(each))
        else:
            half: corpus.Half = "held_out" if name == "held_out" else "tuning"
            measure(corpus.healthy_runs(half, healthy), corpus.failing_runs(half, each))


def measure(healthy: Iterable[LabelledRun], failing: Iterable[LabelledRun]) -> None:
    """Print the error rates on a set of runs."""
    measure_healthy(healthy)
    measure_failures(failing)


def measure_healthy(runs: Iterable[LabelledRun]) -> None:
    """Print the healthy runs with any alarm, and the time that a report takes."""
    count = alarms = reports = 0
    spent_s = 0.0
    for run in runs:
        started_s = time.process_time()
        found = diagnose(run)
        if run.kind != "with_texts":
            spent_s += time.process_time() - started_s
            reports += sum(event["event"] in ("training", "reward") for event in run.events)
        count += 1
        alarms += bool(found)
        for report, finding in found:
            print(f"  {run.name}, report {report}: {finding.signal}: {finding.evidence.message}")
    print(f"healthy runs with any alarm: {alarms} of {count}")
    print(f"CPU time a report, all detectors: {spent_s / reports * 1e6:.0f} µs")


def measure_failures(runs: Iterable[LabelledRun]) -> None:
    """Print a line for each failure, and a summary."""
    outcomes: dict[str, list[Outcome]] = {}
    for run in runs:
        outcomes.setdefault(run.kind, []).append(judge(run))
    print(f"\n{'failure':28} recall  median delay (reports)  before the onset")
    recalls, delays = [], []
    for kind, of_kind in outcomes.items():
        found = [outcome.delay for outcome in of_kind if outcome.delay is not None]
        early = sum(bool(outcome.early) for outcome in of_kind)
        recalls.append(len(found) / len(of_kind))
        delays += found
        delay = f"{median(found):.0f}" if found else "-"
        print(f"{kind:28} {recalls[-1]:6.2f}  {delay:>22}  {early:16}")
    print(f"\nmean recall {sum(recalls) / len(recalls):.3f}, lowest {min(recalls):.2f}")
    print(f"median delay {median(delays):.0f} reports")


if __name__ == "__main__":
    main()
