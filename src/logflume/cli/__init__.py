"""The command line, `logflume …` or `python -m logflume …`, with one module for each command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from logflume.cli import (
    brief,
    compact,
    compare,
    config,
    demo,
    diagnose,
    doctor,
    export,
    importing,
    outputs,
    plot,
    prompt,
    prompts,
    replay,
    runs,
    schema,
    show,
    sql,
    tail,
    tensorboard,
    ui,
)
from logflume.cli.base import Command, app, main

__all__ = ["main"]

_LOOK, _QUERY, _MAINTAIN = "Look at runs", "Query runs", "Maintain runs"


def _add(
    function: Callable[..., None], panel: str, name: str | None = None, **options: Any
) -> None:
    """Add a command, whose help is its docstring, with paragraphs as wide as the terminal."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(name, cls=Command, help=text, rich_help_panel=panel, **options)(function)


_PASSED_ON: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True}
}

_add(demo.demo, "Start", add_help_option=False, **_PASSED_ON)
app.add_typer(runs.app, name="runs", rich_help_panel=_LOOK)
_add(show.show, _LOOK)
_add(tail.tail, _LOOK)
_add(plot.plot, _LOOK)
_add(compare.compare, _LOOK)
_add(outputs.outputs, _LOOK)
_add(prompts.prompts, _LOOK)
_add(prompt.prompt, _LOOK)
_add(diagnose.diagnose, _LOOK)
_add(brief.brief, _LOOK)
_add(ui.ui, _LOOK)
_add(tensorboard.tensorboard, _LOOK, **_PASSED_ON)
_add(sql.sql, _QUERY)
_add(export.export, _QUERY)
_add(schema.schema, _QUERY)
_add(doctor.doctor, _MAINTAIN)
_add(replay.replay, _MAINTAIN)
_add(compact.compact, _MAINTAIN)
_add(importing.import_source, _MAINTAIN, "import")
app.add_typer(config.app, name="config", rich_help_panel="Start")
