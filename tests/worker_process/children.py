"""Helpers for tests of the worker process: its configuration, and finding its processes."""

from __future__ import annotations

import copy
from typing import Any

import psutil

from tests.event_helpers import JOURNAL

WORKER_PROCESS: dict[str, Any] = {
    **copy.deepcopy(JOURNAL),
    "worker": "process",
    "processors": ["tag_step"],
}
"""A configuration with a worker process and the journal as the only sink."""


def workers(process_id: int | None = None) -> list[psutil.Process]:
    """Return the worker processes of this or another process."""
    children = psutil.Process(process_id).children()
    return [child for child in children if "worker_process" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    """Return the command line; empty if the process has just ended, like git at a run's start."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
