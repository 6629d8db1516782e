"""A progress bar on standard error, for work that takes a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import rich.console
import rich.progress

__all__ = ["byte_progress", "progress"]

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """Yield the items, and show on a terminal how many are done.

    Args:
        items: What there is to do.
        total: How many; None where that shows only at the end.
        what: A word for them.
    """
    console = rich.console.Console(stderr=True)
    return iter(
        rich.progress.track(
            items, what, total, console=console, transient=True, disable=not console.is_terminal
        )
    )


@contextmanager
def byte_progress(total_bytes: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield what is told how many bytes were done, and show it on a terminal.

    Args:
        total_bytes: How many there are.
        what: A word for them.
    """
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
