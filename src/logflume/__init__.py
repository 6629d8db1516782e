"""Structured logging for model training: one log call, written to up to five sinks.

>>> import logflume
>>> logflume.initialize()
>>> log = logflume.get_logger().bind(step=1)
>>> log.info("reward", correctness=[2.0, 0.0, 2.0], format=[0.5, 0.5, 0.5])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from logflume.exceptions import ConfigError, LogflumeError, MissingExtraError, QueryError, RunError

if TYPE_CHECKING:
    from logflume.logger.helpers import (
        get_metrics_logger,
        get_model_logger,
        get_reward_logger,
        get_system_logger,
        get_training_logger,
        log_memory_usage,
        log_model_output,
        log_reward_metrics,
        log_training_progress,
    )
    from logflume.logger.logger import get_logger
    from logflume.query.open_run import open_run, open_runs
    from logflume.runtime.lifecycle import flush, initialize, report, set_step, shutdown
    from logflume.values.visuals import Histogram, Image

__version__ = "0.2.0"

__all__ = [
    "ConfigError",
    "Histogram",
    "Image",
    "LogflumeError",
    "MissingExtraError",
    "QueryError",
    "RunError",
    "flush",
    "get_logger",
    "get_metrics_logger",
    "get_model_logger",
    "get_reward_logger",
    "get_system_logger",
    "get_training_logger",
    "initialize",
    "log_memory_usage",
    "log_model_output",
    "log_reward_metrics",
    "log_training_progress",
    "open_run",
    "open_runs",
    "report",
    "set_step",
    "shutdown",
]

_MODULES = {
    **dict.fromkeys(("flush", "initialize", "report", "set_step", "shutdown"), "runtime.lifecycle"),
    **dict.fromkeys(("Histogram", "Image"), "values.visuals"),
    **dict.fromkeys(("open_run", "open_runs"), "query.open_run"),
    "get_logger": "logger.logger",
}
"""The modules of the public names; those of the other names are in `logger.helpers`.

A module is imported when one of its names is first used: the command line needs none of them, and
importing structlog alone would take longer than `logflume --help` should.
"""

_SUBMODULES = ("exceptions", "protocols", "testing", "training")


if not TYPE_CHECKING:  # so that type checkers report unknown names

    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return import_module(f"logflume.{name}")
        if name not in __all__:
            raise AttributeError(f"module 'logflume' has no attribute {name!r}")
        if name not in ("open_run", "open_runs"):
            # Reports at exit what was logged without a run, and handles forks.
            import_module("logflume.runtime.lifecycle")
        value = getattr(import_module(f"logflume.{_MODULES.get(name, 'logger.helpers')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
