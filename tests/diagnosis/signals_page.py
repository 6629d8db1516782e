"""Writes what the detectors say of themselves into docs/diagnosis.md.

`python -m tests.diagnosis.signals_page` replaces the table of signals, and the section of each one.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from logflume.diagnosis.detectors import DETECTORS
from logflume.diagnosis.slow_rank import SlowRank

__all__ = ["PAGE", "with_signals"]

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"

_SIGNALS: list[Any] = [*DETECTORS, SlowRank]
_MARK = "<!-- python -m tests.diagnosis.signals_page: {} -->\n"
_WRAPPED = re.compile(r"(?<=[^\n])\n *(?=[^\s-])")
"""A line break within a paragraph or an item of a list."""


def with_signals(page: str) -> str:
    """Return the page with the table and the sections of the detectors between their marks.

    Raises:
        ValueError: The page doesn't have the marks.
    """
    for name, content in (("table", _table()), ("evidence", _sections())):
        begin, end = _MARK.format(f"{name}, begin"), _MARK.format(f"{name}, end")
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"{PAGE.name} must have the lines {begin.strip()} and {end.strip()}")
        page = f"{before}{begin}\n{content}\n\n{end}{after}"
    return page


def _table() -> str:
    rows = ["| signal | means | likely cause | what to try |", "|---|---|---|---|"]
    rows += [
        f"| `{one.signal}` | {one.meaning} | {one.cause} | {one.try_next} |" for one in _SIGNALS
    ]
    return "\n".join(rows)


def _sections() -> str:
    return "\n\n".join(paragraph for one in _SIGNALS for paragraph in _section(one))


def _section(detector: Any) -> Iterator[str]:
    """Yield the paragraphs about a detector: its docstring, its options, and what describes it."""
    yield f"**`{detector.signal}`** ({detector.severity})"
    text, *options = re.split(r"\n\nArgs:\n", inspect.getdoc(detector) or "")
    summary, _, rest = text.partition("\n\n")
    yield _WRAPPED.sub(" ", rest or summary)
    if options:
        yield "\n".join(_options(detector, options[0]))
    sources = {"Literature": "literature", "Completions": "shows"}
    texts = {name: getattr(detector, attribute, None) for name, attribute in sources.items()}
    if known := [f"{name}: {text}." for name, text in texts.items() if text]:
        yield " ".join(known)


def _options(detector: Any, arguments: str) -> Iterator[str]:
    """Yield an item of a list for each option, given the section `Args` of a docstring."""
    defaults = {field.name: field.default for field in dataclasses.fields(detector)}
    starts = [match.start() for match in re.finditer(r"^    \w+: ", arguments, re.MULTILINE)]
    for start, end in pairwise([*starts, len(arguments)]):
        name, _, text = " ".join(arguments[start:end].split()).partition(": ")
        default = defaults[name]
        shown = ", ".join(default) if isinstance(default, tuple) else f"{default:g}"
        yield f"- `{name}` ({shown}): {text}"


if __name__ == "__main__":
    PAGE.write_text(with_signals(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
