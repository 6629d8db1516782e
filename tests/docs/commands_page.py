"""The command reference, generated from the parser of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

import logflume.cli  # noqa: F401  (registers the commands)
from logflume.cli.base import app
from tests.docs.tables import code, table

__all__ = ["commands_page"]

_INTRODUCTION = """# Commands

This page is generated from the parser of `logflume`, whose `--help` says the same. `python -m
logflume` is the same command. RUN is the folder of a run, its id, or `latest`. Ids are looked up
in `logs`, or in `LOGFLUME_DIR`. `--json` prints JSON for scripts ([JSON of the
commands](../json-output.md)).

A command ends with 0, with 1 if it fails or a check finds something, and with 2 if its arguments
are wrong. `logflume --install-completion` completes commands, options and runs in the shell.

"""


def commands_page() -> str:
    """Return the page as Markdown."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("logflume", [], resilient_parsing=True)
    sections = list(_sections(group, context))
    overview = table(
        ["command", "what it does"],
        ([f"[{code(path)}](#{path.replace(' ', '-')})", summary] for path, summary, _ in sections),
    )
    return _INTRODUCTION + overview + "\n" + "\n".join(text for *_, text in sections)


def _sections(group: Any, parent: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the summary and the section of each command, those of groups included."""
    for name, command in group.commands.items():
        context = command.make_context(name, [], parent=parent, resilient_parsing=True)
        if hasattr(command, "commands"):
            yield from _sections(command, context)
            continue
        path = context.command_path
        summary, *rest = (command.help or "").split("\n\n")
        yield path, _escape(summary), _section(path, [summary, *rest], command, context)


def _section(path: str, paragraphs: list[str], command: Any, context: Any) -> str:
    """Return the section of one command."""
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [[code(name), _escape(meaning)] for name, meaning in filter(None, records)]
    examples = [text.removeprefix("Example: ") for text in paragraphs if _is_example(text)]
    return "\n\n".join(
        [
            f"## {code(path)}",
            *(_escape(text) for text in paragraphs if not _is_example(text)),
            f"```text\n{usage}\n```",
            table(["argument or option", "meaning"], rows) if rows else "",
            *(f"Example: `{text}`\n" for text in examples),
        ]
    )


def _is_example(paragraph: str) -> bool:
    return paragraph.startswith("Example: ")


def _escape(text: str) -> str:
    """Return a help text as Markdown: what looks like markup is shown as it is."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", part) for part in parts
    )
