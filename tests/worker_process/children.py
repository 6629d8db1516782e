"""The worker processes of these tests."""

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
"""The journal, written by a worker process."""


def workers(process_id: int | None = None) -> list[psutil.Process]:
    """Return the worker processes of this process, or of another one."""
    children = psutil.Process(process_id).children()
    return [child for child in children if "worker_process" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    """Return its command; empty for one that has just ended, as git does at the start of a run."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def has_ended(process: psutil.Process) -> bool:
    """Whether a process no longer runs."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
