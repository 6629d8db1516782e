"""Determines whether a configuration can run in a worker process, and if not, why."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from logflume.config.model import Config
from logflume.config.registry import SINKS, find, find_processor, split_entry
from logflume.guard import type_name

__all__ = ["Obstacle", "find_obstacle"]

_ONLY_HERE = (
    "is in the current folder, from which a worker process doesn't import; to use a worker "
    "process, add the folder to PYTHONPATH"
)

_PLAIN = frozenset({str, int, float, bool, type(None)})


class Obstacle(NamedTuple):
    """A reason why a pipeline can't run in a worker process.

    Attributes:
        component: Name of the component in the configuration.
        reason: The reason, as a clause.
    """

    component: str
    reason: str


def find_obstacle(config: Config) -> Obstacle | None:
    """Return the first obstacle to a worker process; None if there is none.

    All components must be given by name, with plain options, and declare by `detachable = True`
    that they need nothing from the training process.
    """
    if sys.platform == "win32":
        return Obstacle("worker process", "Windows has no worker process")
    if not sys.executable:
        return Obstacle("worker process", "there is no Python interpreter to start it with")
    return next(_find_obstacles(config), None)


def _find_obstacles(config: Config) -> Iterator[Obstacle]:
    for name, sink in config.sinks.items():
        if sink.instance is not None:
            yield Obstacle(name, f"the sink {name!r} is an object")
        else:
            component = find(SINKS, sink.type, f"sinks.{name}")
            what = f"sink {name!r} ({sink.type})"
            yield from _check_component(name, what, component, sink.options)
    for entry in config.processors:
        component = find_processor(entry)
        if component is None:
            name = str(getattr(entry, "__name__", type_name(entry)))
            yield Obstacle(name, f"the processor {name!r} is an object")
        else:
            name, options = split_entry(entry)
            yield from _check_component(name, f"processor {name!r}", component, options)


def _check_component(
    name: str, what: str, component: Any, options: Mapping[str, Any]
) -> Iterator[Obstacle]:
    if not getattr(component, "detachable", False):
        yield Obstacle(name, f"the {what} is not detachable")
    if _is_only_here(component):
        yield Obstacle(name, f"the {what} {_ONLY_HERE}")
    for option, value in options.items():
        if not _is_plain(value):
            yield Obstacle(name, f"the option {option!r} of the {what} is an object")


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN or isinstance(value, PurePath)


def _is_only_here(component: Any) -> bool:
    """Whether a component's module comes from the current folder, by a relative entry only."""
    name = str(getattr(component, "__module__", "")).partition(".")[0]
    file = Path(getattr(sys.modules.get(name), "__file__", None) or sys.executable)
    folder = file.parent.parent if file.name == "__init__.py" else file.parent
    entries = [Path(entry) for entry in sys.path if isinstance(entry, str)]
    return folder not in entries and folder in (entry.absolute() for entry in entries)
