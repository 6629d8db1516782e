"""`logflume tensorboard`: starts TensorBoard on runs, each listed once, by its id."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from logflume.cli.base import complete_run, find_run
from logflume.cli.printing import echo
from logflume.exceptions import RunError
from logflume.guard import Failure, call_guarded
from logflume.query.open_run import runs_folder

__all__ = ["tensorboard"]

_REFRESH_S = 5.0
_MAX_PINNED = 10
"""The number of curves that TensorBoard pins to the top of its page."""

_PORT = 6006


def tensorboard(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN …]",
            help="Runs: folders, ids, 'latest', or folders of runs; by default all runs of "
            "LOGFLUME_DIR, or logs.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="The port of the page.")] = _PORT,
) -> None:
    """Start TensorBoard on runs, each listed once, although `latest` links to one of them.

    The runs are named by their ids, and runs that start later are added automatically. Further
    options are passed to TensorBoard: logflume tensorboard latest --samples_per_plugin scalars=0

    Example: logflume tensorboard

    Example: logflume tensorboard logs/20261123-141502-a1b2 latest --port 6007
    """
    if any(one.startswith("--logdir") for one in context.args):
        raise RunError("--logdir: give the runs as arguments: logflume tensorboard logs")
    texts = [one for one in runs or () if not one.startswith("-")]
    options = [*(one for one in runs or () if one.startswith("-")), *context.args]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # remove the links
    with tempfile.TemporaryDirectory(prefix="logflume-tensorboard-") as name:
        links = _Links(Path(name), texts)
        links.update()
        if not links.names:
            raise RunError(
                f"{' '.join(texts) or runs_folder()}: no run here has a folder `tensorboard`; "
                "`logflume replay RUN --to tensorboard` creates one"
            )
        _serve(links, port, options)


class _Links:
    """A folder with a link to the `tensorboard` folder of each run.

    Args:
        folder: The folder, empty.
        texts: Runs, and folders of runs; empty: the runs of the default folder.

    Attributes:
        runs: The runs that have links.
        names: The names of the links by the folder that they lead to.
    """

    def __init__(self, folder: Path, texts: Sequence[str]) -> None:
        self.folder = folder
        self.runs: list[Path] = []
        self.names: dict[Path, str] = {}
        self._texts = texts

    def update(self) -> None:
        """Add links to runs that have started."""
        for run in self._runs():
            for source in sorted(run.glob("tensorboard*")):
                target = source.resolve()
                if target in self.names or not source.is_dir():
                    continue
                rank = source.name.removeprefix("tensorboard")
                name = self._unused(f"{run.resolve().name}{rank}")
                (self.folder / name).symlink_to(target, target_is_directory=True)
                self.names[target] = name
                if run not in self.runs:
                    self.runs.append(run)

    def _runs(self) -> Iterator[Path]:
        from logflume.query.open_run import is_run

        for text in self._texts or [str(runs_folder())]:
            path = Path(text)
            if path.is_dir() and not is_run(path):
                # Links last: `latest` leads to one of the others.
                inside = sorted(path.iterdir(), key=lambda one: (one.is_symlink(), one.name))
                yield from filter(is_run, inside)
            else:
                yield find_run(text)

    def _unused(self, name: str) -> str:
        """Return the name, with a number if a run in another folder has the same name."""
        taken = set(self.names.values())
        names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
        return next(one for one in names if one not in taken)


def _serve(links: _Links, port: int, options: Sequence[str]) -> None:
    """Serve the runs until Ctrl-C, and add new ones meanwhile.

    TensorBoard runs in this process, so it ends with it.

    Raises:
        RunError: TensorBoard can't start.
    """
    from tensorboard import default, program

    server = program.TensorBoard(default.get_plugins())
    server.configure(["tensorboard", "--logdir", str(links.folder), "--port", str(port), *options])
    try:
        url = server.launch()
    except program.TensorBoardServerException as error:
        raise RunError(f"TensorBoard can't start: {error.msg}") from error
    tags = call_guarded(_main_tags, links.runs)
    address = _address(url, [] if isinstance(tags, Failure) else tags)  # a run may be damaged
    count = f"{len(links.runs)} run{'' if len(links.runs) == 1 else 's'}"
    echo(f"TensorBoard shows {count}, with rewards and losses on top; press Ctrl-C to end it.")
    echo(address, err=True)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(_REFRESH_S)
            with suppress(RunError):  # a run was removed
                links.update()


def _address(url: str, tags: Sequence[str]) -> str:
    """Return the page with the curves of some tags pinned to its top."""
    cards = [{"plugin": "scalars", "tag": tag} for tag in tags[:_MAX_PINNED]]
    text = json.dumps(cards, separators=(",", ":"))
    query = f"?pinnedCards={quote(text, safe='')}" if cards else ""
    return f"{url}{query}#timeseries"


def _main_tags(runs: Sequence[Path]) -> list[str]:
    """Return the tags of the rewards, losses and evaluations that the runs have."""
    from logflume.query.columns import optional
    from logflume.query.open_run import open_runs

    opened = open_runs(runs)

    def find(event_type: str, prefix: str, *patterns: str) -> list[str]:
        table = opened.events(event_type, columns=patterns).arrow
        names = [n for n in table.column_names if table[n].null_count < len(table)]
        return [prefix + name for name in names]

    total = find("training", "train/", optional("reward"))
    of_functions = find("reward", "", "rewards/*/mean")
    if total:
        of_functions = [tag for tag in of_functions if tag != "rewards/total/mean"]
    margins = find("training", "train/", *map(optional, ("rewards/margins", "rewards/accuracies")))
    losses = find("training", "train/", *map(optional, ("loss", "mean_token_accuracy")))
    evaluations = find("evaluation", "eval/", *map(optional, ("reward", "loss")))
    return [*total, *of_functions[: _MAX_PINNED - 4], *margins, *losses, *evaluations]
