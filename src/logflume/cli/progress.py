"""Progress bars on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["byte_progress", "progress"]

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """Yield the items and show the progress, if standard error is a terminal.

    Args:
        items: The items to process.
        total: Their number; None if it is unknown.
        what: A label for the progress bar.
    """
    import rich.console
    import rich.progress

    console = rich.console.Console(stderr=True)
    return iter(
        rich.progress.track(
            items, what, total, console=console, transient=True, disable=not console.is_terminal
        )
    )


@contextmanager
def byte_progress(total_bytes: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield a callback that advances a progress bar, shown if standard error is a terminal.

    The callback takes the number of bytes processed since the previous call.

    Args:
        total_bytes: The total number of bytes.
        what: A label for the progress bar.
    """
    import rich.console
    import rich.progress

    console = rich.console.Console(stderr=True)
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total_bytes)
        yield lambda size_bytes: bar.advance(task, size_bytes)
