"""Patterns for texts of any length, which RE2 matches in linear time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import re2  # type: ignore[import-untyped]

__all__ = ["keyword_set", "pattern"]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_KEYWORD_OPTIONS = re2.Options()
_KEYWORD_OPTIONS.literal = True
_KEYWORD_OPTIONS.case_sensitive = False


def pattern(text: str) -> Any:
    """Compile a pattern for encoded texts."""
    return re2.compile(text.encode(), _OPTIONS)


def keyword_set(keywords: Iterable[str]) -> Any:
    """Compile keywords, whatever their case, into a set that tells which ones a text has."""
    compiled = re2.Set.SearchSet(_KEYWORD_OPTIONS)
    for keyword in keywords:
        compiled.Add(keyword)
    compiled.Compile()
    return compiled
