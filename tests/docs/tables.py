"""Markdown tables of the generated pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["code", "table"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; cells may contain Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def code(text: str) -> str:
    """Return a text as inline code."""
    return f"`{text}`"


def _cell(text: str) -> str:
    """Return the content of a cell. A `|` in inline code needs no escape."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)
