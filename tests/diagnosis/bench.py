"""Measures the error rates of the detectors: `make bench-diagnosis`.

On the held-out half of the labelled runs, which nothing was chosen by.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from tests.diagnosis.corpus import Half, failing_runs, healthy_runs
from tests.diagnosis.failing import FAILURES
from tests.diagnosis.feeding import diagnose, judge

__all__ = ["main"]


def main() -> None:
    """Print recall and delay of each failure, and the false alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=["tuning", "held_out"], default="held_out")
    parser.add_argument("--healthy", type=int, default=200, help="number of healthy runs")
    parser.add_argument("--each", type=int, default=20, help="number of runs of each failure")
    options = parser.parse_args()
    measure_healthy(options.half, options.healthy)
    measure_failures(options.half, options.each)


def measure_healthy(half: Half, count: int) -> None:
    """Print the healthy runs with any alarm, and the time that a report takes."""
    alarms = reports = 0
    spent_s = 0.0
    for run in healthy_runs(half, count):
        started_s = time.process_time()
        found = diagnose(run)
        if run.kind != "with_texts":
            spent_s += time.process_time() - started_s
            reports += sum(event["event"] == "training" for event in run.events)
        alarms += bool(found)
        for report, finding in found:
            print(f"  {run.name}, report {report}: {finding.signal}: {finding.evidence.message}")
    print(f"healthy runs of 1,000 reports with any alarm: {alarms} of {count}")
    print(f"CPU time a report, all detectors: {spent_s / reports * 1e6:.0f} µs")


def measure_failures(half: Half, each: int) -> None:
    """Print a line for each failure, and a summary."""
    print(f"\n{'failure':28} recall  median delay (reports)  before the onset")
    recalls, delays = [], []
    for kind in FAILURES:
        outcomes = [judge(run) for run in failing_runs(half, each, kind)]
        found = [outcome.delay for outcome in outcomes if outcome.delay is not None]
        early = sum(bool(outcome.early) for outcome in outcomes)
        recalls.append(len(found) / len(outcomes))
        delays += found
        delay = f"{median(found):.0f}" if found else "-"
        print(f"{kind:28} {recalls[-1]:6.2f}  {delay:>22}  {early:16}")
    print(f"\nmean recall {sum(recalls) / len(recalls):.3f}, lowest {min(recalls):.2f}")
    print(f"median delay {median(delays):.0f} reports")


if __name__ == "__main__":
    main()
