"""Errors of the configuration that a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from logflume.exceptions import ConfigError

__all__ = ["config_error", "nearest"]


def config_error(
    where: str, found: str, *, allowed: str = "", hint: str | None = None
) -> ConfigError:
    """Return an error that says where, what was found, what is allowed and what was perhaps meant.

    >>> print(config_error("my.yaml: buffer.sise", "unknown key", allowed="size", hint="size"))
    my.yaml: buffer.sise: unknown key
      allowed: size
      did you mean 'size'?
    """
    lines = [f"{where.removesuffix(':')}: {found}"]
    if allowed:
        lines.append(f"  allowed: {allowed}")
    if hint:
        lines.append(f"  did you mean {hint!r}?")
    return ConfigError("\n".join(lines))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, if any does."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)
