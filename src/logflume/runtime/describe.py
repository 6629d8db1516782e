"""What is worth knowing about a run before its first step: the fields of `run_started`."""

from __future__ import annotations

# `version` imports this at its first use. Here it must not: a process that is forked while one of
# our threads imports a module has that module half made, for ever.
import email.parser as _email_parser  # noqa: F401
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
from logflume.events.catalogue import SCHEMA_VERSION

__all__ = ["GitCommit", "describe_run"]

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

GIT_TIMEOUT_S = 5.0
"""The longest that git is waited for, in seconds."""


class GitCommit:
    """The commit of the working folder.

    `ask` is for the thread that starts the run. A process that is forked by one thread while
    another starts git inherits what that one waits for, and would hold it up as long as it lives.
    """

    def __init__(self) -> None:
        self._git: subprocess.Popen[str] | None = None

    def ask(self) -> None:
        """Start git."""
        try:
            self._git = subprocess.Popen(
                ["git", "rev-parse", "HEAD"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError:
            self._git = None

    def answer(self) -> str | None:
        """Wait for git; None where there is no commit, or no git."""
        if self._git is None:
            return None
        with self._git as git:
            try:
                commit, _ = git.communicate(timeout=GIT_TIMEOUT_S)
            except (OSError, subprocess.SubprocessError):
                git.kill()
                return None
        return commit.strip() if git.returncode == 0 else None


def describe_run(config: Config, commit: GitCommit) -> dict[str, Any]:
    """Return configuration, versions, host and git commit. Takes some milliseconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "config": msgspec.to_builtins(config, enc_hook=str),
        "command": shlex.join(sys.orig_argv),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_total_bytes": psutil.virtual_memory().total,
        "git_commit": commit.answer(),
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
