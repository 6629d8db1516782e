"""Structured logging for model training: one log call, written to up to five sinks.

>>> import logflume
>>> logflume.initialize()
>>> log = logflume.get_logger().bind(step=1)
>>> log.info("reward", correctness=[2.0, 0.0, 2.0], format=[0.5, 0.5, 0.5])
"""

from __future__ import annotations

from logflume.exceptions import ConfigError, LogflumeError, MissingExtraError, QueryError, RunError
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

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
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
