"""A progress bar on standard error, for work that takes a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import rich.console
import rich.progress

__all__ = ["progress"]

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
