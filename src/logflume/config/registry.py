"""Processors and sinks by name, and objects built from their options.

A name is looked up in an entry-point group, where the built-in components stand beside those of
any other package. `package.module:Name` works too, for a component that isn't registered.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, get_type_hints

import msgspec

from logflume.config.errors import config_error, nearest
from logflume.exceptions import ConfigError, RunError

__all__ = ["PROCESSORS", "SINKS", "build", "check_options", "find", "find_processor"]

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
        ConfigError: Nothing has that name, it can't be imported, or it is no class or function.
    """
    entry = _registered(group).get(name)
    if entry is None and ":" not in name:
        known = sorted(set(_registered(group)) - {"threaded"})
        raise config_error(
            where,
            f"nothing is registered as {name!r}",
            allowed=f"{', '.join(known)}, or 'package.module:Name'",
            hint=nearest(name, known),
        )
    try:
        found = _import(name) if entry is None else entry.load()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {name!r} can't be imported: {error}") from error
    if not callable(found):
        raise ConfigError(f"{where}: {name!r} is neither a class nor a function: {found!r}")
    return found


def find_processor(entry: Any) -> Any | None:
    """Return the class or function that an entry of a checked chain names; None for an object."""
    if isinstance(entry, Mapping):
        (entry,) = entry
    return find(PROCESSORS, entry, "processors") if isinstance(entry, str) else None


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
    arguments = check_options(factory, options, given, where)
    parameters = inspect.signature(factory).parameters
    known = {name: value for name, value in given.items() if name in parameters}
    try:
        return factory(**known, **arguments)
    except ValueError as error:
        raise config_error(where, str(error)) from error
    except OSError as error:
        raise RunError(f"{where}: it can't be opened: {error}") from error


def check_options(
    factory: Any, options: Mapping[str, Any], given: Collection[str], where: str
) -> dict[str, Any]:
    """Return the options as the factory's parameters have them: a path as `Path`, and so on.

    Args:
        factory: A class, or a function that makes the component.
        options: The options from the configuration.
        given: Names of the parameters that logflume fills.
        where: Place in the configuration, for errors.

    Raises:
        ConfigError: An option is unknown, missing or of the wrong type.
    """
    parameters = inspect.signature(factory).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    allowed = [parameter.name for parameter in named if parameter.name not in given]
    hints = _hints(factory)
    arguments = {}
    for name, value in options.items():
        if name not in allowed and (name in given or not takes_any):
            raise config_error(
                f"{where}.{name}",
                "this option is unknown",
                allowed=", ".join(allowed) or "no options",
                hint=nearest(str(name), allowed),
            )
        arguments[name] = _convert(value, hints.get(name, Any), f"{where}.{name}")
    for parameter in named:
        if parameter.name in {*arguments, *given} or parameter.default is not parameter.empty:
            continue
        raise config_error(
            where, f"the option {parameter.name!r} is missing", allowed=", ".join(allowed)
        )
    return arguments


def _import(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _hints(factory: Any) -> dict[str, Any]:
    try:
        return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except NameError:  # a name that is imported for type checkers only: nothing to convert by
        return {}


def _convert(value: Any, annotation: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, annotation, dec_hook=_from_text, strict=True)
    except msgspec.ValidationError as error:
        raise config_error(where, f"{error}, found {value!r}") from None
    except TypeError:  # msgspec can't check such an annotation, `str | Path` say
        return value


def _from_text(annotation: Any, value: Any) -> Any:
    return annotation(value) if isinstance(value, str) else value
