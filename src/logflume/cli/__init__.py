"""The command line, `logflume …` or `python -m logflume …`, with one module for each command."""

from __future__ import annotations

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
from logflume.cli.base import app, main

__all__ = ["main"]

app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)(demo.demo)
app.add_typer(runs.app, name="runs")
app.command()(show.show)
app.command()(tail.tail)
app.command()(sql.sql)
app.command()(outputs.outputs)
app.command()(prompts.prompts)
app.command()(prompt.prompt)
app.command()(compare.compare)
app.command()(plot.plot)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    tensorboard.tensorboard
)
app.command()(ui.ui)
app.command()(export.export)
app.command()(replay.replay)
app.command()(doctor.doctor)
app.command()(diagnose.diagnose)
app.command()(brief.brief)
app.command()(compact.compact)
app.command()(schema.schema)
app.command("import")(importing.import_source)
app.add_typer(config.app, name="config")
