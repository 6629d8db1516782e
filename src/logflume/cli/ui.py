"""`logflume ui`: serves a page with the curves, completions, prompts and findings of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from logflume.cli.base import complete_run, find_run
from logflume.cli.printing import echo
from logflume.exceptions import MissingExtraError, RunError
from logflume.query.open_run import runs_folder
from logflume.values.arrow_startup import start_arrow

__all__ = ["ui"]

_PORT = 6008


def ui(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER …]",
            help="Folders of runs, or runs: folders, ids, 'latest'; by default all runs of "
            "LOGFLUME_DIR, or logs, and the page opens on the newest.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="The port of the page; 0: any free port.")] = _PORT,
    host: Annotated[
        str,
        typer.Option(
            help="The address to bind to. An address other than 127.0.0.1 admits other machines, "
            "which need the token in the printed URL.",
        ),
    ] = "127.0.0.1",
) -> None:
    """Serve a page with the curves, completions, prompts and findings of runs, live or ended.

    It only reads the runs. Press Ctrl-C to end it.

    Example: logflume ui

    Example: logflume ui logs /data/other-logs --port 8000
    """
    try:
        from logflume.ui.serve import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "anyio"):
            raise
        raise MissingExtraError(error.name, "ui") from error
    start_arrow()
    paths = [_find(text) for text in folders or [str(runs_folder())]]
    newest = _find_newest(paths) if not folders or len(paths) == 1 else None
    view = f"#/run/{quote(newest, safe='')}" if newest else "#/"
    echo("logflume ui: press Ctrl-C to end it")
    serve(paths, host=host, port=port, view=view, announce=echo)


def _find(text: str) -> Path:
    """Return a folder of runs, or the folder of a run.

    Raises:
        RunError: There is neither.
    """
    path = Path(text)
    if path.is_dir():
        return path
    if text == str(runs_folder()):
        raise RunError(f"{text}: there is no such folder yet. Try `logflume demo`.")
    return find_run(text)


def _find_newest(folders: list[Path]) -> str | None:
    from logflume.runs.status import read_run_status
    from logflume.ui.run_folders import RunFolders

    found = RunFolders(folders).find()
    started = {name: read_run_status(folder).started for name, folder in found.items()}
    known = {name: time for name, time in started.items() if time is not None}
    return max(known, key=lambda name: known[name], default=next(iter(found), None))
