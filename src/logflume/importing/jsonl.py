"""JSON Lines: the history of W&B, or any file of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logflume.importing.found import Found, LeftOut
from logflume.importing.history import Row, read_rows
from logflume.importing.names import number_of

__all__ = ["read_jsonl"]


def read_jsonl(path: Path, left_out: LeftOut) -> Iterator[Found]:
    """Yield the events of a file, line by line.

    Nested objects are flattened with `/`. NaN and infinities may be bare or texts. Media and
    tables of W&B (`{"_type": "table-file", …}`) are left out, and so is a line that is no object.
    """
    yield from read_rows(_rows(path, left_out))


def _rows(path: Path, left_out: LeftOut) -> Iterator[Row]:
    with path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                yield {"": dict(_flatten(row, "", left_out))}
            else:
                left_out["lines that are no JSON object"] += 1


def _flatten(row: dict[str, Any], prefix: str, left_out: LeftOut) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        whole = prefix + name
        if not isinstance(value, dict):
            if value is not None:
                yield whole, number_of(value)
        elif "_type" in value:
            left_out[f"media of W&B: {value['_type']}"] += 1
        else:
            yield from _flatten(value, f"{whole}/", left_out)
