"""Opens runs for reading, during training and afterwards."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from logflume.exceptions import RunError
from logflume.query.questions import Attempts, Questions, is_continued
from logflume.runs.files import Writer, find_writers
from logflume.runs.latest_attempts import latest_events

if TYPE_CHECKING:
    from logflume.query.summary import RunSummary

__all__ = ["Run", "Runs", "is_run", "list_runs", "open_run", "open_runs", "runs_folder"]

_MAX_NAMED = 5


class Run(Questions):
    """One run. See `Questions` for the available queries.

    Args:
        folder: The run's folder.
        attempts: `current` for the latest attempt of each step, `all` for everything.

    Attributes:
        folder: As given.

    Example:
        >>> run = logflume.open_run("logs/latest")
        >>> run.metrics("rewards/*/mean", wide=True).to_pandas().plot("step")
        >>> run.outputs(steps=400, worst=5).to_pylist()
    """

    def __init__(self, folder: Path, attempts: Attempts = "current") -> None:
        super().__init__([folder], attempts)
        self.folder = folder

    @property
    def info(self) -> RunSummary:
        """Summary of the run: status, times, versions, hyperparameters."""
        from logflume.query.summary import summarize

        return self._read(lambda runs: summarize(self.folder, runs[0].snapshots))

    @property
    def total_duration_s(self) -> float | None:
        """The time that all attempts took, in seconds; None if nothing was recorded."""
        from logflume.query.summary import find_total_duration_s

        return self._read(lambda runs: find_total_duration_s(runs[0].snapshots))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the events of the journals, one after another.

        An incomplete last line is omitted, and so are events that exist only in Parquet.

        Raises:
            RunError: A line is not an event: the file was damaged or edited.
        """
        writers = find_writers(self.folder)
        # This view reads each journal twice, so it is used only where it can make a difference.
        latest_only = self.attempts == "current" and is_continued(writers)
        events = _JournalEvents(writers)
        return latest_events(events) if latest_only else iter(events)

    def __repr__(self) -> str:
        return f"<Run {self.folder}>"


class Runs(Questions):
    """Several runs, queried together. The column `run` of a result identifies the run.

    Args:
        folders: Their folders.
        attempts: `current` for the latest attempt of each step, `all` for everything.

    Example:
        >>> runs = logflume.open_runs("logs/*")
        >>> runs.sql("select run, max(reward) from training group by run")
    """

    def __iter__(self) -> Iterator[Run]:
        for folder in self._folders:
            run = Run(folder, self.attempts)
            report = self._report_damage
            yield run if report is None else run.salvaged_if_damaged(report)

    def __len__(self) -> int:
        return len(self._folders)

    def __repr__(self) -> str:
        return f"<{len(self)} runs>"

    @property
    def _has_many_runs(self) -> bool:
        return True


class _JournalEvents:
    """All events in the journals of a run. Each iteration starts from the beginning."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from logflume.query.run_snapshot import read_journal

        for writer in self._writers:
            yield from read_journal(writer)


def open_run(path: str | os.PathLike[str], *, attempts: Attempts = "current") -> Run:
    """Open a run for reading.

    Args:
        path: The run's folder: `logs/latest`, `logs/20261123-141502-a1b2`.
        attempts: For a continued run: `current` for the latest attempt of each step, `all` for
            everything.

    Raises:
        RunError: There is no run at this path.
        ValueError: `attempts` has another value.
    """
    _check(attempts)
    _check_path(path)
    folder = Path(path)
    if not is_run(folder):
        raise RunError(f"{folder}: there is no run here (no events.jsonl). {_hint(folder)}")
    return Run(folder, attempts)


def open_runs(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    attempts: Attempts = "current",
) -> Runs:
    """Open several runs for reading, to be queried together.

    Args:
        paths: A pattern (`logs/*`), or folders of runs. Matches of the pattern that aren't runs are
            ignored, and so is a link (`latest`) to a run that is already included. A text that
            names an existing path is a path, not a pattern, even if it contains a `[`. Runs with
            the same id are identified by their folders.
        attempts: As for `open_run`.

    Raises:
        RunError: There is no run.
        ValueError: `attempts` has another value.
    """
    _check(attempts)
    if isinstance(paths, (str, os.PathLike)):
        folders = _find_runs(Path(paths))
        if not folders:
            path = Path(paths)
            hint = f"Did you mean '{path}/*'?" if list_runs(path) else _hint(path)
            raise RunError(f"{path}: there are no runs here. {hint}")
    else:
        if not isinstance(paths, Iterable):
            _check_path(paths)
        folders = [open_run(path).folder for path in paths]
    return Runs(sorted({path.resolve() for path in folders}), attempts)


def _find_runs(pattern: Path) -> list[Path]:
    """Return the runs that match a pattern. What exists is that path, whatever its name."""
    folder, parts = Path(pattern.anchor), pattern.relative_to(pattern.anchor).parts
    while parts and (folder / parts[0]).exists():
        folder, parts = folder / parts[0], parts[1:]
    matches = folder.glob("/".join(parts)) if parts else [folder]
    return [path for path in matches if is_run(path)]


def _hint(path: Path) -> str:
    """Return a suggestion for a path that is the folder of runs, or no path of a run."""
    if inside := list_runs(path):
        return (
            f"This folder contains runs: give one of them, such as '{path / inside[0]}', or open "
            f"all with open_runs('{path}/*')"
        )
    for folder in dict.fromkeys([path.parent, runs_folder()]):
        if known := list_runs(folder, path.name):
            if path.name in known:
                return f"Did you mean '{folder / path.name}'?"
            return f"Existing runs: {', '.join(str(folder / name) for name in known[:_MAX_NAMED])}"
    return "Give the folder of a run, such as 'logs/latest'"


def runs_folder() -> Path:
    """Return the folder that contains the runs: `LOGFLUME_DIR`, else `logs`."""
    return Path(os.environ.get("LOGFLUME_DIR", "logs"))


def list_runs(folder: Path, name: str = "") -> list[str]:
    """Return the names of the runs in a folder, those similar to a name first, then the newest."""
    known: list[str] = []
    with suppress(OSError):  # no folder, or one that can't be read
        known = sorted((path.name for path in folder.iterdir() if is_run(path)), reverse=True)
    return list(dict.fromkeys([*difflib.get_close_matches(name, known, _MAX_NAMED), *known]))


def is_run(folder: Path) -> bool:
    """Whether a folder is a run: it has a journal, or at least Parquet and `run.json`."""
    if (folder / "events.jsonl").exists() or any(folder.glob("events*.jsonl*")):
        return True
    return (folder / "run.json").exists() and any(folder.glob("parquet*/*"))


def _check_path(path: Any) -> None:
    if not isinstance(path, (str, os.PathLike)):
        raise RunError(f"{path!r}: expected the path of a run, such as 'logs/latest'")


def _check(attempts: str) -> None:
    if attempts not in get_args(Attempts):
        raise ValueError(f"attempts must be 'current' or 'all', not {attempts!r}")
