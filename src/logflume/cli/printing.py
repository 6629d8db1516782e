"""Prints texts, tables and JSON, and formats values for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from logflume.terminal.cells import cell_len, fit
from logflume.terminal.escape import escape, escape_json, escape_lines

if TYPE_CHECKING:
    import rich.console

__all__ = [
    "UNLIMITED_WIDTH",
    "Share",
    "cell",
    "console",
    "duration_text",
    "echo",
    "fit_text",
    "json_bytes",
    "print_json",
    "print_records",
    "print_table",
    "size_text",
]

_NUMBERS = (int, float)
_COLUMN_GAP = "   "
UNLIMITED_WIDTH = 100_000
"""Width of the output if it is not a terminal, in columns: nothing is truncated."""

_MIN_TEXT_WIDTH = 10


def echo(text: str, *, err: bool = False) -> None:
    """Print a text, in which characters that control a terminal are escaped."""
    typer.echo(escape_lines(text), err=err)


def print_json(value: Any) -> None:
    """Print a value as JSON. NaN and infinities become null, times are RFC 3339."""
    echo(json_bytes(value).decode())


def json_bytes(value: Any) -> bytes:
    """Return a value as indented JSON, in which characters that control a terminal are escaped."""
    import orjson

    encoded = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)
    return escape_json(encoded.decode()).encode()


class Share(float):
    """A share, 0 to 1, that is shown with two decimals."""

    @property
    def text(self) -> str:
        """The share; one that is nearly none or all isn't shown as 0 or 1.

        >>> [Share(share).text for share in (0, 0.003, 0.5, 0.998, 1)]
        ['0', '<0.01', '0.5', '>0.99', '1']
        """
        if 0 < self < 0.01:
            return "<0.01"
        if 0.99 < self < 1:
            return ">0.99"
        return f"{round(self, 2):g}"


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table. On a terminal, the widest columns are shortened to fit its width.

    Args:
        rows: The rows. The keys of the first row are the headings.
    """
    if not rows:
        echo("")
        return
    import rich.text

    # Not a `rich.table`, whose layout of a thousand rows takes longer than reading the runs.
    target = console(UNLIMITED_WIDTH)
    names = list(rows[0])
    numeric = [
        all(isinstance(row[name], (*_NUMBERS, type(None))) for row in rows) for name in names
    ]
    lines = [list(map(escape, names)), *([cell(row[name]) for name in names] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    widths = _shrink(widths, target.width - 2 - len(_COLUMN_GAP) * (len(widths) - 1))

    def line(cells: Sequence[str]) -> str:
        columns = zip(cells, numeric, widths, strict=True)
        return f" {_COLUMN_GAP.join(_align(*column) for column in columns)}".rstrip()

    rule = "─" * len(_COLUMN_GAP.join(" " * width for width in widths))
    text = rich.text.Text("\n").append(line(lines[0]), style="bold").append(f"\n {rule}\n")
    text.append("".join(f"{line(cells)}\n" for cells in lines[1:]))
    target.print(text, soft_wrap=True)


def _shrink(widths: Sequence[int], room: int) -> list[int]:
    """Return the widths of columns, the widest of them reduced to one that makes all fit."""
    most = max(widths)
    while most > 1 and sum(min(width, most) for width in widths) > room:
        most -= 1
    return [min(width, most) for width in widths]


def _align(text: str, is_number: bool, width: int) -> str:
    shown = fit(text, width)
    space = " " * (width - cell_len(shown))
    return space + shown if is_number else shown + space


def print_records(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Print the rows of a result: as a table if it fits, otherwise one line for each value.

    On a terminal, columns without values are omitted.

    Args:
        rows: The rows.
        names: The names of the columns.
    """
    if not rows:
        echo(f"no rows ({', '.join(map(escape, names))})")
        return
    target = console(UNLIMITED_WIDTH)
    if target.is_terminal:
        nonempty = [name for name in names if any(row[name] is not None for row in rows)]
        rows = [{name: row[name] for name in nonempty} for row in rows]
    widths = [max(len(cell(row[name])) for row in (*rows, {name: name})) + 3 for name in rows[0]]
    if sum(widths) <= target.width:
        print_table(rows)
        return
    longest = max(map(len, rows[0]))
    for row in rows:
        for name, value in row.items():
            echo(f"{escape(name):{longest}}  {cell(value)}")
        echo("")


def fit_text(text: str | None, taken: int) -> str:
    """Return a text as one line, cut off at the end of a terminal's line.

    Args:
        text: The text.
        taken: The columns of the line that are taken.
    """
    width = console(UNLIMITED_WIDTH).width
    room = max(width - taken, _MIN_TEXT_WIDTH)
    # A prompt may be long: escape only what can be shown.
    line = escape(" ".join((text or "")[: 8 * room].split()))
    return line if len(line) <= room else f"{line[: room - 1]}…"


def console(width: int) -> rich.console.Console:
    """Return a console that interprets no markup.

    Args:
        width: Its width if it is not a terminal, in columns.
    """
    import rich.console

    made = rich.console.Console(highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = width
    return made


def cell(value: Any) -> str:
    """Return a value in human-readable form. Control characters in texts are escaped."""
    if value is None:
        return ""
    if isinstance(value, Share):
        return value.text
    if isinstance(value, float):
        return f"{value:.6g}" if not 1e6 <= abs(value) < 1e15 else f"{value:.10g}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, list):
        return escape("[" + ", ".join(map(cell, value)) + "]")
    return escape(str(value))


def size_text(size_bytes: int) -> str:
    """Return a size in human-readable form.

    >>> size_text(1_234_567)
    '1.2 MB'
    """
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def duration_text(duration_s: float | None) -> str:
    """Return a duration in human-readable form; empty for None.

    >>> duration_text(3723.4)
    '1 h 02 min'
    """
    if duration_s is None:
        return ""
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
