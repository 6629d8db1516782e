"""The process that a pipeline of these tests runs in."""

from __future__ import annotations

import copy
from typing import Any

import psutil

from tests.own_events import JOURNAL

APART: dict[str, Any] = {
    **copy.deepcopy(JOURNAL),
    "worker": "process",
    "processors": ["tag_step"],
}
"""The journal, written in a process of its own."""


def workers(process_id: int | None = None) -> list[psutil.Process]:
    """Return the child processes that run a pipeline: of this process, or of another one."""
    children = psutil.Process(process_id).children()
    running = [child for child in children if not has_ended(child)]
    return [child for child in running if "logflume.detached" in child.cmdline()]


def has_ended(process: psutil.Process) -> bool:
    """Whether a process runs no more."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
