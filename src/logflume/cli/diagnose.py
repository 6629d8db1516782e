"""`logflume diagnose`: reports what goes wrong in training, and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from logflume.cli.base import JsonOption, RunArgument, find_run
from logflume.cli.printing import cell, echo, print_json
from logflume.diagnosis.finding import SEVERITIES, Severity

if TYPE_CHECKING:
    from logflume.diagnosis.diagnose_run import RecordedFinding

__all__ = ["diagnose"]


def diagnose(
    run: RunArgument = "latest",
    fail_on: Annotated[
        Severity | None,
        typer.Option(
            case_sensitive=False,
            help="Exit with status 1 if a finding is at least this severe.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Diagnose a run: what goes wrong, the likely cause, what to try, and completions that show it.

    It uses the detectors of `watch_training`, with the options recorded in the run;
    docs/diagnosis.md describes them. Alerts that you logged yourself are among the findings.

    Example: logflume diagnose latest

    Example: logflume diagnose latest --json --fail-on critical
    """
    from logflume.diagnosis.diagnose_run import diagnose_run
    from logflume.query.open_run import open_run

    folder = find_run(run)
    diagnosis = diagnose_run(folder)
    for note in diagnosis.notes:
        echo(note, err=True)
    if json:
        print_json([found.fields for found in diagnosis.findings])
    else:
        if (exception := open_run(folder).info.exception) is not None:
            echo(f"The run ended with an exception: {cell(exception)}\n")
        for found in diagnosis.findings:
            _print(found)
        if not diagnosis.findings and diagnosis.reports:
            echo(f"{folder}: nothing found in {diagnosis.reports:,} reports")
    if fail_on is not None:
        severe = SEVERITIES[SEVERITIES.index(fail_on) :]
        if any(found.finding.severity in severe for found in diagnosis.findings):
            raise typer.Exit(1)


def _print(found: RecordedFinding) -> None:
    finding = found.finding
    places = [
        "" if finding.step is None else f"step {finding.step}",
        f"attempt {found.attempt}" if found.attempt else "",
        "" if found.over_since is None else f"over since step {found.over_since}",
        "over ranks" if found.rank is None else "",
        found.process or "",
    ]
    where = ", ".join(place for place in places if place)
    echo(f"{finding.severity}: {cell(finding.signal)}" + (f" ({where})" if where else ""))
    echo(f"  {cell(finding.evidence.message)}")
    if finding.cause:
        echo(f"  Likely cause: {cell(finding.cause)}")
    if finding.try_next:
        echo(f"  Try: {cell(finding.try_next)}")
    if finding.completions:
        why = f" ({cell(finding.condition)})" if finding.condition else ""
        echo(f"  Completions{why}: {cell(', '.join(finding.completions))}")
    echo("")
