"""The fields of `run_started`: configuration, versions, host and git commit of a run."""

from __future__ import annotations

# `version` would import this at its first use, on the worker's thread. A process forked during an
# import inherits a partially initialized module that never completes.
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
from logflume.runs.description import RunDescription

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
"""Maximum time to wait for git, in seconds."""


class GitCommit:
    """The git commit of the working folder.

    Call `start` on the thread that starts the run. If one thread forked a process while another
    started git, the process would inherit the pipe that signals the start of git, and the other
    thread would wait for as long as that process lives.
    """

    def __init__(self) -> None:
        self._git: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start git in the background."""
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

    def result(self) -> str | None:
        """Wait for git and return the commit; None without a repository or without git."""
        if self._git is None:
            return None
        with self._git as git:
            try:
                commit, _ = git.communicate(timeout=GIT_TIMEOUT_S)
            except (OSError, subprocess.SubprocessError):
                git.kill()
                return None
        return commit.strip() if git.returncode == 0 else None


def describe_run(config: Config, commit: GitCommit, description: RunDescription) -> dict[str, Any]:
    """Return the fields of `run_started`. Takes several milliseconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "config": msgspec.to_builtins(config, enc_hook=str),
        "command": shlex.join(sys.orig_argv),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_total_bytes": psutil.virtual_memory().total,
        "git_commit": commit.result(),
        "versions": {"python": platform.python_version(), **_versions()},
        **description.as_fields(),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
