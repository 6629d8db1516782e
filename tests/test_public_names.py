"""The public names, and what importing them loads."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import logflume

HEAVY = ["torch", "transformers", "tensorboard", "pyarrow", "duckdb", "numpy", "pandas", "trl"]


def test_the_public_names() -> None:
    """`logflume` exports exactly these names, so that no name is added or removed by accident."""
    assert [
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
    ] == logflume.__all__


PUBLIC_MODULES = [
    "config.registry",
    "events.catalogue",
    "exceptions",
    "protocols",
    "query.open_run",
    "run",
    "testing",
    "values.schema",
]


@pytest.mark.parametrize("module", [f"logflume.{name}" for name in PUBLIC_MODULES])
def test_every_public_name_exists(module: str) -> None:
    """A module has every name that it lists in `__all__`."""
    loaded = importlib.import_module(module)

    assert [] == [name for name in loaded.__all__ if not hasattr(loaded, name)]


@pytest.mark.parametrize(
    "module", ["logflume", "logflume.training", "logflume.cli", "logflume.config.load"]
)
def test_importing_loads_no_large_package(module: str) -> None:
    """Importing the module loads none of the large packages."""
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert [] == sorted({name.partition(".")[0] for name in done.stdout.split()} & set(HEAVY))


def test_errors_have_a_common_base() -> None:
    """Every error of logflume's is a subclass of LogflumeError."""
    errors = [logflume.ConfigError, logflume.RunError, logflume.MissingExtraError]

    assert all(issubclass(error, logflume.LogflumeError) for error in errors)
    assert "pip install 'logflume[trl]'" in str(logflume.MissingExtraError("torch", "trl"))
