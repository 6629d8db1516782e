"""Errors of the configuration: actionable messages, all errors of a file together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from logflume.exceptions import ConfigError

__all__ = ["ErrorList", "config_error", "nearest", "suggest", "unknown_error", "value_error"]

_MAX_LISTED = 12

_EXPECTED = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `[^`]*`)?(?: - at .*)?")
_NAMES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "an integer",
    "object": "a mapping (key: value)",
    "Path": "a path",
    "str": "a string",
}
"""What msgspec's names of types mean in YAML."""


class ErrorList:
    """Collects the errors of a configuration, so that one exception reports all of them.

    >>> errors = ErrorList()
    >>> with errors:
    ...     raise config_error("my.yaml: bufer", "unknown key")
    >>> errors.raise_any()
    Traceback (most recent call last):
    logflume.exceptions.ConfigError: my.yaml: bufer: unknown key
    """

    def __init__(self) -> None:
        self._messages: dict[str, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, ConfigError):
            self._messages[str(error)] = None
        return isinstance(error, ConfigError)

    def raise_any(self) -> None:
        """Raise the collected errors.

        Raises:
            ConfigError: There are errors. Each is a paragraph of the message.
        """
        if self._messages:
            raise ConfigError("\n".join(self._messages))


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


def value_error(where: str, error: Exception, value: object) -> ConfigError:
    """Return an error about a value of the wrong type, or out of its range.

    Args:
        where: Location in the configuration.
        error: What msgspec says about it.
        value: The value.

    >>> error = ValueError("Expected `float | null`, got `str`")
    >>> print(value_error("my.yaml: rotate_s", error, "x"))
    my.yaml: rotate_s: expected a number or null, found 'x'
    """
    problem = str(error)
    if found := _EXPECTED.fullmatch(problem):
        types = " or ".join(_NAMES.get(one, one) for one in found[1].split(" | "))
        problem = f"expected {types}{found[2]}"
    return config_error(where, f"{problem}, found {value!r}")


def unknown_error(where: str, problem: str, name: object, known: Iterable[str]) -> ConfigError:
    """Return an error about a name that is not among the known ones, which it lists.

    Args:
        where: Location in the configuration.
        problem: What is wrong there.
        name: The unknown name.
        known: The known names.

    >>> print(unknown_error("my.yaml: buffer.sise", "unknown key", "sise", ["size", "max_bytes"]))
    my.yaml: buffer.sise: unknown key
      allowed: size, max_bytes
      did you mean 'size'?
    """
    names = list(known)
    return config_error(where, problem, allowed=", ".join(names), hint=nearest(str(name), names))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`; None if none is similar.

    A name that continues it after a `/` comes first. Case is ignored.

    >>> nearest("INFO", ["debug", "info"]), nearest("rewards", ["reward", "rewards/total"])
    ('info', 'rewards/total')
    """
    by_folded = {one.casefold(): one for one in known if one != name}
    folded = name.casefold()
    longer = (one for one in by_folded if one.startswith(f"{folded}/"))
    similar = difflib.get_close_matches(folded, list(by_folded), n=1)
    found = next(longer, None) or next(iter(similar), None)
    return None if found is None else by_folded[found]


def suggest(name: str, known: Iterable[str], meant: str | None = None) -> str:
    """Return the end of a message about an unknown name: the similar one, or the known ones.

    Args:
        name: The unknown name.
        known: The known names.
        meant: The known name that is meant, if it is known by other means.

    >>> suggest("los", ["loss", "kl"]), suggest("x", ["loss", "kl"])
    ("did you mean 'loss'?", 'available: loss, kl')
    """
    names = list(known)
    if hint := meant or nearest(name, names):
        return f"did you mean {hint!r}?"
    listed = [*names[:_MAX_LISTED], *["…"] * (len(names) > _MAX_LISTED)]
    return f"available: {', '.join(listed) or 'none'}"
