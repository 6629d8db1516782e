"""Construction of actionable error messages for the configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from logflume.exceptions import ConfigError

__all__ = ["config_error", "nearest"]


def config_error(
    where: str, problem: str, *, allowed: str = "", hint: str | None = None
) -> ConfigError:
    """Return an error with the location, the problem, the allowed values and a suggestion.

    Args:
        where: Location in the configuration.
        problem: What is wrong there.
        allowed: The allowed values; empty if there is no such list.
        hint: The value that was probably meant.

    >>> print(config_error("my.yaml: buffer.sise", "unknown key", allowed="size", hint="size"))
    my.yaml: buffer.sise: unknown key
      allowed: size
      did you mean 'size'?
    """
    lines = [f"{where.removesuffix(':')}: {problem}"]
    if allowed:
        lines.append(f"  allowed: {allowed}")
    if hint:
        lines.append(f"  did you mean {hint!r}?")
    return ConfigError("\n".join(lines))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`; None if none is similar."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)
