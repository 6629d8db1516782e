"""The warm process: forks a child for each line of JSON on its standard input.

Run as a program by `Warm`. It answers with the child's id, and when it has ended with its status.
A child leaves the loop and goes on to the end of this module, so that it ends as any
program does: by its last line, an exception, a signal.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

from logflume.config.load import load_config
from logflume.runtime.describe import GitCommit, describe_run
from tests.torture.busy import CONFIG

PRELOADED = (
    "concurrent.futures.thread",
    "logflume.runtime.start",
    "logflume.runtime.exits",
    "logflume.sinks.console",
    "logflume.sinks.csv",
    "logflume.sinks.jsonl",
    "logflume.sinks.parquet.sink",
    "logflume.sinks.tensorboard.sink",
    "logflume.pipeline.threaded",
    "pandas",  # pyarrow imports it with the first part
    "pyarrow.compute",
)


def serve() -> dict[str, Any] | None:
    """Fork children until the input ends; in a child return what it shall do."""
    for line in iter(sys.stdin.buffer.readline, b""):
        pid = os.fork()
        if pid == 0:
            return dict(json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return None


def become_a_program(arguments: dict[str, Any]) -> None:
    """Let go of the warm process's pipes; errors go to a file."""
    target = os.open(arguments.pop("errors", os.devnull), os.O_WRONLY | os.O_CREAT, 0o644)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(target, 1)
    os.dup2(target, 2)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    # What Python remembers of the installed packages is then there, too.
    describe_run(load_config(CONFIG), GitCommit())
    if (command := serve()) is not None:
        module, _, function = command["program"].partition(":")
        become_a_program(command["arguments"])
        getattr(importlib.import_module(module), function)(**command["arguments"])
