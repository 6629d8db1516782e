"""Checking the processors and sinks that a configuration names, before any of them is built."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from logflume.config.errors import config_error, nearest
from logflume.config.model import Config, SinkConfig
from logflume.config.reader import join
from logflume.config.registry import PROCESSORS, SINKS, check_options, find, find_processor

__all__ = ["check_components", "is_eligible"]


_GIVEN = ("run", "metrics")
"""Parameters that logflume fills, if a component has them; a sink is given `events` too."""

_PLACES = ("{dir}", "{run}", "{rank}")


def check_components(config: Config, where: str) -> None:
    """Check that every component exists and takes its options.

    Args:
        config: The configuration.
        where: Place in the configuration, as the errors name it.

    Raises:
        ConfigError: A component is unknown, or doesn't take its options.
    """
    for index, entry in enumerate(config.processors):
        _check_processor(entry, join(where, f"processors[{index}]"))
    for name, sink in config.sinks.items():
        if sink.instance is None:
            _check_sink(sink, join(where, f"sinks.{name}"))


def _check_processor(entry: Any, where: str) -> None:
    if isinstance(entry, type):
        raise config_error(where, f"expected an object, found its class: write {entry.__name__}()")
    if callable(entry):
        return
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise config_error(where, f"expected a name, or one name with its options, found {entry!r}")
    ((name, options),) = entry.items()
    factory = find(PROCESSORS, str(name), where)
    where = f"{where}.{name}"
    if options is not None and not isinstance(options, Mapping):
        raise config_error(where, f"expected options (key: value), found {options!r}")
    if isinstance(factory, type):
        check_options(factory, options or {}, _GIVEN, where)
    elif options:
        raise config_error(where, "this processor is a function and takes no options")


def _check_sink(sink: SinkConfig, where: str) -> None:
    factory = find(SINKS, sink.type, f"{where}.type")
    check_options(factory, sink.options, {*_GIVEN, "events"}, where)
    for place in re.findall(r"{\w*}", str(sink.options.get("path"))):
        if place not in _PLACES:
            raise config_error(
                f"{where}.path",
                f"nothing stands for {place}",
                allowed=", ".join(_PLACES),
                hint=nearest(place, _PLACES),
            )


def is_eligible(config: Config) -> bool:
    """Whether all components say `detachable = True`: they need nothing of the training's process.

    An object given to `initialize()` stays where it is, and so does the pipeline then.
    """
    if sys.platform == "win32" or not sys.executable:
        return False
    sinks = config.sinks.values()
    # An object has no name, and nothing is found for it.
    processors = map(find_processor, config.processors)
    return all(map(_is_sink_detachable, sinks)) and all(map(_says_so, processors))


def _is_sink_detachable(sink: Any) -> bool:
    return sink.instance is None and _says_so(find(SINKS, sink.type, "sinks"))


def _says_so(component: Any) -> bool:
    return bool(getattr(component, "detachable", False))
