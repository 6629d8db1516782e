"""Processors and sinks by name, and objects built from their options.

A name is looked up in an entry-point group, where the built-in components stand beside those of
any other package. `package.module:Name` works too, for a component that isn't registered.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, get_type_hints

import msgspec

from logflume.config.errors import config_error, nearest
from logflume.exceptions import ConfigError, RunError

__all__ = ["PROCESSORS", "SINKS", "build", "find"]

PROCESSORS = "logflume.processors"
SINKS = "logflume.sinks"


@lru_cache
def _registered(group: str) -> dict[str, Any]:
    return {entry.name: entry for entry in entry_points(group=group)}


def find(group: str, name: str, where: str) -> Any:
    """Return the class or function that a name stands for.

    Args:
        group: `PROCESSORS` or `SINKS`.
        name: A registered name, or `package.module:Name`.
        where: Its place in the configuration, for the error.

    Raises:
        ConfigError: Nothing has that name, or it can't be imported.
    """
    entry = _registered(group).get(name)
    try:
        if entry is not None:
            return entry.load()
        if ":" in name:
            module, _, attribute = name.partition(":")
            return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where}: {name!r} can't be imported: {error}") from error
    known = sorted(set(_registered(group)) - {"threaded"})
    raise config_error(
        where,
        f"nothing is registered as {name!r}",
        allowed=f"{', '.join(known)}, or 'package.module:Name'",
        hint=nearest(name, known),
    )


def build(factory: Any, options: Mapping[str, Any], given: Mapping[str, Any], where: str) -> Any:
    """Call a component's class with its options, checked against its signature.

    Args:
        factory: A class, or a function that makes the component.
        options: The options from the configuration.
        given: What logflume knows (`run`, `metrics` …); passed to parameters of these names.
        where: Place in the configuration, for errors.

    Raises:
        ConfigError: An option is unknown, missing or of the wrong type.
        RunError: What the component writes to can't be opened.
    """
    parameters = inspect.signature(factory).parameters
    allowed = [name for name in parameters if name not in given]
    hints = _hints(factory)
    arguments = {name: value for name, value in given.items() if name in parameters}
    for name, value in options.items():
        if name not in allowed:
            raise config_error(
                f"{where}.{name}",
                "this option is unknown",
                allowed=", ".join(allowed) or "no options",
                hint=nearest(name, allowed),
            )
        arguments[name] = _convert(value, hints.get(name, Any), f"{where}.{name}")
    for name in allowed:
        if name not in arguments and parameters[name].default is inspect.Parameter.empty:
            raise config_error(where, f"the option {name!r} is missing", allowed=", ".join(allowed))
    try:
        return factory(**arguments)
    except ValueError as error:
        raise config_error(where, str(error)) from error
    except OSError as error:
        raise RunError(f"{where}: it can't be opened: {error}") from error


def _hints(factory: Any) -> dict[str, Any]:
    return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)


def _convert(value: Any, annotation: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, annotation, dec_hook=_from_text, strict=True)
    except msgspec.ValidationError as error:
        raise config_error(where, f"{error}, found {value!r}") from None


def _from_text(annotation: Any, value: Any) -> Any:
    return annotation(value)
