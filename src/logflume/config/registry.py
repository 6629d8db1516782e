"""Looks up processors and sinks by name, and builds them from their options.

Names are looked up in entry-point groups, which contain the built-in components and those of any
other package. `package.module:Name` refers to a component that isn't registered.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, get_type_hints

import msgspec

from logflume.config.errors import ErrorList, config_error, nearest, value_error
from logflume.config.model import SinkConfig
from logflume.exceptions import ConfigError, LogflumeError, RunError
from logflume.guard import Failure, call_guarded, describe
from logflume.protocols import is_journal

__all__ = [
    "PROCESSORS",
    "SINKS",
    "build",
    "check_options",
    "find",
    "find_processor",
    "is_journal_sink",
    "is_known",
    "is_loaded",
    "registered",
    "split_entry",
]

PROCESSORS = "logflume.processors"
SINKS = "logflume.sinks"


@lru_cache
def registered(group: str) -> dict[str, Any]:
    """Return the entry points of a group by name."""
    return {entry.name: entry for entry in entry_points(group=group)}


def find(group: str, name: str, where: str) -> Any:
    """Return the class or function of a component.

    Args:
        group: `PROCESSORS` or `SINKS`.
        name: A registered name, or `package.module:Name`.
        where: Location in the configuration, for errors.

    Raises:
        ConfigError: The name is unknown, can't be imported, or is neither a sink nor a processor.
    """
    entry = registered(group).get(name)
    if entry is None and ":" not in name:
        known = sorted(registered(group))
        raise config_error(
            where,
            f"no component is registered as {name!r}",
            allowed=f"{', '.join(known)}, or 'package.module:Name'",
            hint=nearest(name, known),
        )
    if entry is None and not _REFERENCE.fullmatch(name):
        raise ConfigError(f"{where}: {name!r} is not of the form 'package.module:Name'")
    try:
        component = _import(name) if entry is None else entry.load()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {name!r} can't be imported: {error}") from error
    if problem := _find_problem(group, component):
        # Not its `repr`: that of `os:environ` is the whole environment.
        kind = "" if isinstance(component, type) else f"; its type is {type(component).__name__}"
        raise ConfigError(f"{where}: {name!r} {problem}{kind}")
    if entry is None:
        _named.add((group, name))
    return component


def _find_problem(group: str, component: Any) -> str | None:
    """Return why an object can't be a component of a group; None if it can."""
    if not callable(component):
        return "is neither a class nor a function"
    if group == SINKS:
        is_sink = isinstance(component, type) and all(
            callable(getattr(component, name, None)) for name in ("write", "flush", "close")
        )
        return None if is_sink else "is not a sink: a sink is a class with write, flush and close"
    if _is_processor(component):
        return None
    if not isinstance(component, type):
        return "is not a processor: it can't be called with an event"
    if hasattr(component, "evaluate") and hasattr(component, "signal"):
        return (
            "is a detector, which can't be configured. A processor of your own can log an `alert` "
            "instead: see 'A detector' in docs/extending.md"
        )
    return "is not a processor: the class has no method __call__(logger, method_name, event_dict)"


def _is_processor(component: Any) -> bool:
    """Whether a class has callable objects, or a function takes what structlog passes."""
    if isinstance(component, type):
        return any("__call__" in vars(base) for base in component.__mro__)
    if inspect.isbuiltin(component):  # `os.system`, `exec`
        return False
    try:
        inspect.signature(component).bind(None, "info", {})
    except TypeError:
        return False
    except ValueError:  # a compiled function may have no signature
        return True
    return True


_REFERENCE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
"""The form `package.module:Name`, also of a class within another."""

_named: set[tuple[str, str]] = set()
"""The components `package.module:Name` that this process's own configurations have named."""


def is_known(group: str, name: str) -> bool:
    """Whether a component is registered, or named by a configuration of this process.

    The configuration in a journal is data: only known components are looked up for it, so that
    nothing is imported because somebody else's run names it.
    """
    return name in registered(group) or (group, name) in _named


def is_loaded(group: str, name: str) -> bool:
    """Whether a name can be looked up without importing a module that isn't registered."""
    module = name.partition(":")[0]
    is_reference = name not in registered(group) and _REFERENCE.fullmatch(name) is not None
    return not is_reference or module in sys.modules


def find_processor(entry: Any) -> Any | None:
    """Return the class or function that an entry of `processors` names; None for an object.

    Args:
        entry: An entry that `check_components` has accepted.
    """
    if not isinstance(entry, (str, Mapping)):
        return None
    return find(PROCESSORS, split_entry(entry)[0], "processors")


def split_entry(entry: str | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the options of an entry of `processors` that isn't an object.

    >>> split_entry("tag_step"), split_entry({"sample_system": {"interval_s": 10}})
    (('tag_step', {}), ('sample_system', {'interval_s': 10}))
    """
    if isinstance(entry, str):
        return entry, {}
    ((name, options),) = entry.items()
    return name, options or {}


def is_journal_sink(name: str, sink: SinkConfig) -> bool:
    """Whether a configured sink is a journal.

    Args:
        name: Its name in the configuration, for errors.
        sink: Its section of the configuration.

    Raises:
        ConfigError: Its type is unknown.
    """
    return is_journal(sink.instance or find(SINKS, sink.type, f"sinks.{name}.type"))


def build(factory: Any, options: Mapping[str, Any], provided: Mapping[str, Any], where: str) -> Any:
    """Build a component from its options, which are checked against its signature.

    Args:
        factory: A class, or a function that returns the component.
        options: The options from the configuration.
        provided: Values from logflume (`run`, `metrics` …), passed to parameters of these names.
        where: Location in the configuration, for errors.

    Raises:
        ConfigError: An option is unknown, missing or of the wrong type.
        RunError: A file or folder of the component can't be opened, or its constructor failed.
    """
    arguments = check_options(factory, options, provided, where)
    parameters = inspect.signature(factory).parameters
    known = {name: value for name, value in provided.items() if name in parameters}
    result = call_guarded(factory, **known, **arguments)
    if not isinstance(result, Failure):
        return result
    error = result.error
    if isinstance(error, (LogflumeError, MemoryError)) or not isinstance(error, Exception):
        raise error
    if isinstance(error, ValueError):
        raise config_error(where, str(error)) from error
    if isinstance(error, OSError):
        raise RunError(f"{where}: can't be opened: {error}") from error
    raise RunError(f"{where}: can't be created: {describe(error)}") from error


def check_options(
    factory: Any,
    options: Mapping[str, Any],
    provided: Collection[str],
    where: str,
    common: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the options converted to the types of the factory's parameters, such as `Path`.

    Args:
        factory: A class, or a function that returns the component.
        options: The options from the configuration.
        provided: Names of the parameters whose values logflume provides.
        where: Location in the configuration, for errors.
        common: Keys that are allowed next to the options, for errors.

    Raises:
        ConfigError: Options are unknown, missing or of the wrong type.
    """
    parameters = inspect.signature(factory).parameters.values()
    accepts_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    allowed = [parameter.name for parameter in named if parameter.name not in provided]
    hints = _hints(factory)
    arguments = {}
    errors = ErrorList()
    for name, value in options.items():
        with errors:
            if name not in allowed and (name in provided or not accepts_any):
                listed = [*allowed, *common]
                raise config_error(
                    f"{where}.{name}",
                    "unknown option",
                    allowed=", ".join(listed) or "no options",
                    hint=nearest(str(name), listed),
                )
            arguments[name] = _convert(value, hints.get(name, Any), f"{where}.{name}")
    for parameter in named:
        if parameter.name in {*options, *provided} or parameter.default is not parameter.empty:
            continue
        with errors:
            problem = f"missing option {parameter.name!r}"
            raise config_error(where, problem, allowed=", ".join(allowed))
    errors.raise_any()
    return arguments


def _import(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _hints(factory: Any) -> dict[str, Any]:
    try:
        return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except NameError:  # the name is imported for type checkers only, so the types are unknown
        return {}


def _convert(value: Any, annotation: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, annotation, dec_hook=_from_text, strict=True)
    except msgspec.ValidationError as error:
        raise value_error(where, error, value) from None
    except TypeError:  # an annotation that msgspec doesn't support, such as `str | Path`
        return value


def _from_text(annotation: Any, value: Any) -> Any:
    return annotation(value) if isinstance(value, str) else value
