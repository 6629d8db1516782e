"""`logflume import`: converts logs of other tools to a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from logflume.importing import Imported

__all__ = ["import_source"]

_Format: TypeAlias = Literal["trainer_state", "tensorboard", "jsonl", "csv"]
"""The members of `SourceFormat`, whose module takes too long to import for `--help`."""


def import_source(
    source: Annotated[Path, typer.Argument(help="A file, or a folder of files.")],
    format: Annotated[  # noqa: A002 - the option's name
        _Format | None,
        typer.Option(
            case_sensitive=False, help="The format; detected from the content by default."
        ),
    ] = None,
    dir: Annotated[  # noqa: A002 - the option's name
        Path, typer.Option(help="The folder that contains the runs.", envvar="LOGFLUME_DIR")
    ] = Path("logs"),
    run: Annotated[
        str | None,
        typer.Option(help="Id of the run; derived from the name of the source by default."),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The field that is the step, for jsonl and csv; by default, one of the names that "
            "trainers and loggers use.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Convert logs of another tool to a run.

    Reads `trainer_state.json` of transformers and TRL (the newest one in a
    folder of checkpoints), TensorBoard event files or folders of them, and
    rows of metrics as JSON Lines or CSV: W&B histories, and the files of
    verl, Lightning, Keras and others. The run can then be shown, queried
    and replayed like any other. Lines on standard error name the field that
    is the step of a row, and count the items that can't be imported.

    Example: logflume import outputs/my-grpo/checkpoint-200 --run my-grpo
    """
    import msgspec

    from logflume.cli.printing import echo
    from logflume.cli.progress import progress
    from logflume.importing import import_run
    from logflume.importing.source import SourceFormat
    from logflume.terminal.escape import escape_json

    imported = import_run(
        source,
        format=SourceFormat(format) if format else None,
        dir=dir,
        run=run,
        step=step,
        follow=lambda found: progress(found, None, "importing"),
    )
    if imported.format in ("jsonl", "csv"):
        echo(_step_line(source, imported.step), err=True)
    for reason, number in imported.left_out.items():
        echo(f"left out: {number:,} {reason}", err=True)
    text = escape_json(msgspec.json.encode(imported).decode()) if json else _as_text(imported)
    echo(text)


def _step_line(source: Path, name: str | None) -> str:
    if name is not None:
        return f"step: from the field {name!r}"
    return f"step: no field of {source} is a step, so the rows are numbered; pass --step NAME"


def _as_text(imported: Imported) -> str:
    counts = ", ".join(f"{number:,} {event}" for event, number in imported.events.items())
    return f"{imported.folder}: {counts} ({imported.format})"
