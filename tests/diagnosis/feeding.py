"""Feeds labelled runs to the diagnosis."""

from __future__ import annotations

from typing import NamedTuple

from logflume.diagnosis.finding import Finding
from logflume.diagnosis.watch import Diagnosis
from tests.diagnosis.corpus import LabelledRun

__all__ = ["Found", "Outcome", "diagnose", "judge"]


class Found(NamedTuple):
    """A finding, and the number of the report that it came with."""

    report: int
    finding: Finding


class Outcome(NamedTuple):
    """What was found in a failing run.

    Attributes:
        delay: Reports from the full strength to the first finding that names the failure; None
            if none does.
        early: Findings before the onset.
    """

    delay: int | None
    early: list[Found]


def diagnose(run: LabelledRun) -> list[Found]:
    """Return the findings in a run, in order."""
    diagnosis = Diagnosis()
    found: list[Found] = []
    report = 0
    for event in run.events:
        report += event["event"] in ("training", "reward")
        found += [Found(report, finding) for finding in diagnosis.observe(event)]
    return found


def judge(run: LabelledRun) -> Outcome:
    """Compare the findings in a failing run with its label."""
    found = diagnose(run)
    fitting = (f for f in found if f.finding.signal in run.signals and f.report > run.onset)
    first = next(fitting, None)
    delay = None if first is None else max(0, first.report - run.full)
    return Outcome(delay, [f for f in found if f.report <= run.onset])
