"""Text measured in the cells of a terminal: a Chinese character or an emoji takes two."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, chop_cells, set_cell_size

__all__ = ["cell_len", "fit", "pad", "shorten", "wrap"]


def fit(text: str, width: int) -> str:
    """Return a text of at most this many cells; an ellipsis marks where it was cut.

    >>> fit("correctness", 6), fit("loss", 6)
    ('corre…', 'loss')
    """
    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


def pad(text: str, width: int) -> str:
    """Return a text of exactly this many cells: padded with spaces, or cut."""
    return set_cell_size(fit(text, width), width)


def shorten(text: str, width: int) -> str:
    """Return a text of at most this many cells; one that is longer loses its middle.

    >>> shorten("rewards/correctness_reward_func/mean", 24)
    'rewards/corr…d_func/mean'
    """
    if cell_len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{set_cell_size(text, width - 1 - end)}…{set_cell_size(text[::-1], end)[::-1]}"


def wrap(text: str, width: int, used: int = 0) -> list[str]:
    """Return a text without newlines as lines of at most this many cells, broken between words.

    Args:
        text: The text. Its indentation is repeated on every line.
        width: Cells of a line.
        used: Cells of the first line that are already taken.

    >>> wrap("the reward rises while the length falls", 20)
    ['the reward rises', 'while the length', 'falls']
    """
    if used + cell_len(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip())]
    indent = indent if len(indent) < width // 2 else ""
    lines: list[str] = []
    line, left = "", width - used
    for word in _words(text.strip(), width - len(indent)):
        joined = f"{line} {word}" if line else indent + word
        if cell_len(joined) > left and (line or (used and not lines)):
            lines.append(line)
            joined, left = indent + word, width
        line = joined
    return [*lines, line]


def _words(text: str, width: int) -> Iterator[str]:
    """Yield the words. One that is longer than a line is split."""
    for word in text.split(" "):
        if cell_len(word) <= width:
            yield word
        else:
            yield from chop_cells(word, width)
