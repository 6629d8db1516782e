"""`logflume replay`: rebuilds outputs of a run from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logflume.cli.base import ImportOption, JsonOption, RunArgument, find_run, import_sinks
from logflume.cli.printing import echo, print_json, print_table, size_text
from logflume.cli.progress import byte_progress

if TYPE_CHECKING:
    from logflume.maintenance.replay import Rebuilt

__all__ = ["replay"]


def replay(
    run: RunArgument,
    to: Annotated[
        str,
        typer.Option(
            help="Types of sinks, separated by commas, such as csv,parquet; the run must have one "
            "of each, with a path. console is the text log; jsonl, the journal, requires --out."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder to write to; by default the outputs of the run are replaced.",
            show_default=False,
        ),
    ] = None,
    imports: ImportOption = None,
    json: JsonOption = False,
) -> None:
    """Rebuild outputs of a run from its journal, using the same sinks.

    The result has all ranks and attempts, and restores NaN and infinities. An output is replaced
    atomically once the new one is complete. A live run can only be replayed with --out.

    Example: logflume replay latest --to csv,parquet,tensorboard

    Example: logflume replay latest --to csv --out /tmp/copy
    """
    from logflume.formats.journal import journal_bytes
    from logflume.maintenance.replay import replay as replay_run

    import_sinks(imports or [])
    folder = find_run(run)
    kinds = [kind.strip() for kind in to.split(",") if kind.strip()]
    with byte_progress(journal_bytes(folder), "Replay") as on_progress:
        rebuilt = replay_run(folder, kinds, out, on_progress)
    if json:
        print_json([{**_as_dict(one), "size_bytes": one.size_bytes} for one in rebuilt])
    elif written := [one for one in rebuilt if one.events]:
        print_table([{**_as_dict(one), "size": size_text(one.size_bytes)} for one in written])
    else:
        echo(f"{folder}: no output was rebuilt")
    for one in rebuilt:
        if not one.events:
            echo(f"{one.path}: no event of the run belongs in it", err=True)
    if not any(one.events for one in rebuilt):
        raise typer.Exit(1)


def _as_dict(output: Rebuilt) -> dict[str, object]:
    return {"path": str(output.path), "events": output.events}
