"""`logflume brief`: what a person or a program needs to know about a run."""

from __future__ import annotations

from logflume.cli.base import RunArgument, find_run
from logflume.cli.printing import echo
from logflume.query.open_run import open_run

__all__ = ["brief"]


def brief(run: RunArgument = "latest") -> None:
    """Print a brief of a run in Markdown: findings, configuration, curves, completions.

    It has at most 2,000 tokens, so that it fits the context of a language model.

    Example: logflume brief latest
    """
    from logflume.diagnosis.brief import make_brief

    echo(make_brief(open_run(find_run(run))))
