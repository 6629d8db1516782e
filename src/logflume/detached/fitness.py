"""Which pipelines can run in a process of their own."""

from __future__ import annotations

import sys
from typing import Any

from logflume.config.model import Config
from logflume.registry import SINKS, find, find_processor

__all__ = ["can_be_detached"]


def can_be_detached(config: Config) -> bool:
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
