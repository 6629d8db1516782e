"""Reads the answers that arrive in pieces."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["pieces_of", "read_hits"]


def pieces_of(text: str) -> list[Any]:
    """Return the pieces of a streamed answer."""
    events = text.split("\n\n")
    assert "" == events.pop()
    return [json.loads(event.removeprefix("data: ")) for event in events]


def read_hits(client: Any, **params: Any) -> list[Any]:
    """Return the hits of a search, up to the place where it pauses."""
    answer = client.get("/api/search", params=params)
    assert 200 == answer.status_code, answer.text
    return [hit for piece in pieces_of(answer.text) for hit in piece["hits"]]
