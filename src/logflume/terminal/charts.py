"""Curves as text: sparklines of block characters, and charts of braille characters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import isclose
from statistics import fmean
from typing import TypeAlias

__all__ = ["Cell", "Points", "draw_lines", "sparkline"]

Points: TypeAlias = Sequence[tuple[float, float]]
"""The points of a line, by ascending x."""

Cell: TypeAlias = tuple[str, str | None]
"""A character, and the label of the line it belongs to; None for the axes."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_MAX_WIDTH = 60

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a braille character, by column and row."""

_DOTS_X, _DOTS_Y = 2, 4
"""Dots of a cell, across and down."""

_BLANK = 0x2800
_LABELS = 5
"""Number of labels of the vertical axis, at most."""


def sparkline(values: Sequence[float], width: int = _MAX_WIDTH) -> str:
    """Return values as a line of block characters, scaled between their minimum and maximum.

    If there are more values than `width`, each character stands for the mean of adjacent values,
    in groups of about equal size. Values that differ only by rounding are drawn as a constant.

    >>> sparkline([0.0, 1.0, 2.0, 7.0])
    '▁▂▃█'
    """
    if not values:
        return ""
    columns = min(width, len(values))
    edges = [column * len(values) // columns for column in range(columns + 1)]
    means = [fmean(values[start:end]) for start, end in pairwise(edges)]
    low, high = min(means), max(means)
    scale = 0.0 if isclose(low, high) else (len(_BLOCKS) - 1) / (high - low)
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)


def draw_lines(
    lines: Mapping[str, Points], width: int, height: int, number_text: Callable[[float], str]
) -> list[list[Cell]]:
    """Return a chart with axes as rows of cells. Where lines cross, the last one is on top.

    Args:
        lines: The points of each line by its label, at least one in all.
        width: Width with the axis, in characters.
        height: Height with the axis, in characters.
        number_text: Formats the numbers of the axes.
    """
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    left, right, low, high = min(xs), max(xs), min(ys), max(ys)
    rows = max(height - 2, 2)
    places = _label_rows(rows)
    if isclose(low, high):  # a constant is at the label in the middle, whatever its rounding
        middle = places[len(places) // 2]
        of_row = (abs(low) or 1.0) * 0.1 / middle
        low, high = low - of_row * (rows - 1 - middle), high + of_row * middle
    numbers = {row: high - (high - low) * row / (rows - 1) for row in places}
    labels = {row: number_text(number) for row, number in numbers.items()}
    margin_width = max(map(len, labels.values()))
    canvas = _Canvas(max(width - margin_width - 2, 2), rows)
    for label, points in lines.items():
        dots = [
            (
                _scale(x, left, right, canvas.columns * _DOTS_X - 1),
                canvas.rows * _DOTS_Y - 1 - _scale(y, low, high, canvas.rows * _DOTS_Y - 1),
            )
            for x, y in points
        ]
        canvas.draw(dots, label)
    chart = [
        [(f"{labels.get(row, ''):>{margin_width}} {'┤' if row in labels else '│'}", None), *cells]
        for row, cells in enumerate(canvas.cells())
    ]
    axis = f"{'':{margin_width}} └{'─' * canvas.columns}"
    ends = f"{number_text(right):>{canvas.columns}}"
    start = number_text(left) if left != right else ""
    caption = f"{'':{margin_width}}  {start}{ends[len(start) :]}"
    return [*chart, [(axis, None)], [(caption, None)]]


def _label_rows(rows: int) -> list[int]:
    """Return the rows with a label of the vertical axis, from the top."""
    count = min(_LABELS, rows)
    return [index * (rows - 1) // (count - 1) for index in range(count)]


def _scale(value: float, low: float, high: float, dots: int) -> int:
    # Divided first, because the difference of two large numbers may be infinite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
    return round(share * dots)


class _Canvas:
    """Dots in cells of a terminal.

    Args:
        columns: Width in cells.
        rows: Height in cells.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self._bits = [[0] * columns for _ in range(rows)]
        self._labels: list[list[str | None]] = [[None] * columns for _ in range(rows)]

    def draw(self, dots: Sequence[tuple[int, int]], label: str) -> None:
        """Draw lines between the dots; a single dot is drawn by itself."""
        for x, y in dots[:1]:
            self._set(x, y, label)
        for (x, y), (next_x, next_y) in pairwise(dots):
            length = max(abs(next_x - x), abs(next_y - y), 1)
            for place in range(1, length + 1):
                share = place / length
                self._set(round(x + (next_x - x) * share), round(y + (next_y - y) * share), label)

    def cells(self) -> list[list[Cell]]:
        """Return the characters by row, from the top."""
        return [
            [
                (chr(_BLANK + bits) if bits else " ", label)
                for bits, label in zip(row, labels, strict=True)
            ]
            for row, labels in zip(self._bits, self._labels, strict=True)
        ]

    def _set(self, x: int, y: int, label: str) -> None:
        row, column = y // _DOTS_Y, x // _DOTS_X
        self._bits[row][column] |= _DOTS[x % _DOTS_X][y % _DOTS_Y]
        self._labels[row][column] = label
