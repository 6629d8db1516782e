"""The fork server program: forks a child for each line of JSON on its standard input.

`ForkServer` runs it. It prints the child's process id, and its exit status once it has ended. A
child leaves the loop and runs to the end of this module, so it ends like any program: by its last
line, an exception or a signal.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

from logflume.config.load import load_config
from logflume.runs.description import RunDescription
from logflume.runtime.code_state import GitCommit
from logflume.runtime.describe import describe_run
from tests.torture.busy_run import CONFIG

PRELOADED = (
    "concurrent.futures.thread",
    "duckdb",
    "logflume.cli",
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
    """Fork children until the input ends.

    Returns:
        In a child the command to run; None in the server.
    """
    for line in iter(sys.stdin.buffer.readline, b""):
        pid = os.fork()
        if pid == 0:
            return dict(json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return None


def detach_from_server(arguments: dict[str, Any]) -> None:
    """Replace the pipes to the parent; output goes to the file `errors`, if there is one."""
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
    # Fills the caches that Python keeps of the installed packages.
    describe_run(load_config(CONFIG), GitCommit(), RunDescription())
    if (command := serve()) is not None:
        module, _, function = command["program"].partition(":")
        detach_from_server(command["arguments"])
        getattr(importlib.import_module(module), function)(**command["arguments"])
