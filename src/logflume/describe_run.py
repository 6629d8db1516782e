"""What is worth knowing about a run before its first step: the fields of `run_started`."""

from __future__ import annotations

import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
import psutil

from logflume.config.model import Config
from logflume.events import SCHEMA_VERSION

__all__ = ["describe_run"]

_PACKAGES = (
    "logflume",
    "structlog",
    "pyarrow",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "vllm",
)


def describe_run(config: Config) -> dict[str, Any]:
    """Return configuration, versions, host and git commit. Takes some milliseconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "config": msgspec.to_builtins(config, enc_hook=str),
        "command": shlex.join(sys.orig_argv),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_total_bytes": psutil.virtual_memory().total,
        "git_commit": _git_commit(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
