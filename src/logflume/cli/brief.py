"""`logflume brief`: what a person or a program needs to know about a run."""

from __future__ import annotations

from logflume.cli.base import RunArgument, open_one
from logflume.cli.printing import echo

__all__ = ["brief"]


def brief(run: RunArgument = "latest") -> None:
    """Print a brief of a run in Markdown: findings, configuration, curves, completions.

    It has at most 2,000 tokens, so that it fits into the context of a language model.

    Example: logflume brief latest
    """
    from logflume.diagnosis.brief import make_brief

    echo(make_brief(open_one(run)))
