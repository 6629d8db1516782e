"""Everything that can be done with a run: all commands, all queries, and continuing it.

The commands come from the command line itself, so a new one takes part without being listed here.
"""

from __future__ import annotations

import atexit
import faulthandler
import http.client
import inspect
import json
import os
import re
import resource
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import typer

import logflume
from logflume.cli import main
from logflume.cli.base import app
from logflume.exceptions import LogflumeError
from logflume.query.open_run import Run

__all__ = [
    "CPU_S",
    "MEMORY_BYTES",
    "READING",
    "SERVING",
    "UNEXPECTED",
    "command_lines",
    "continue_run",
    "query",
    "removal_lines",
    "run_main",
    "serve",
]

MEMORY_BYTES = 4 * 2**30
"""Address space that a command may need in addition to that of the libraries."""

FILE_BYTES = 2 * 2**30
"""Of one file that a command writes."""

CPU_S = 60
"""Seconds of CPU time of a command."""

REQUESTS_S = 30.0
"""How long the start and all answers of a command that serves may take."""

POLL_S = 0.05
UNEXPLAINED = 500
UNEXPECTED = "unexpected answer:"
"""Begins the line about an answer that should not be."""

MAX_CONFIG_BYTES = 1 << 20

OMITTED = frozenset(
    {
        ("demo",),  # trains a model, and reads no run
        *(("tensorboard",), ("ui",)),  # `serve`
        *(("runs", "rm"), ("runs", "archive")),  # `removal_lines`
    }
)

SERVING = {
    "ui": (
        "api/runs",
        *(f"api/{name}?run={{run}}" for name in ("run", "versions", "times", "alerts", "ranks")),
        *(f"api/{name}?run={{run}}" for name in ("steps", "prompts", "search", "pass_at")),
        "api/curves?run={run}&name=loss&name=reward",
        "api/groups?run={run}&step=1",
        "api/text?run={run}&step=1&id=0-0-0&field=model_output",
        "api/run?run=..%2Fvictim",
    ),
    "tensorboard": ("data/environment", "data/runs", "data/plugin/scalars/tags"),
}
"""What is requested of the commands that serve until they are interrupted."""

READING = frozenset(
    {"runs", "show", "tail", "sql", "outputs", "prompts", "prompt", "compare", "plot", "diagnose"}
    | {"brief", "export", "schema", "config", *SERVING}
)
"""Commands that change nothing in the run's folder; so does `doctor` without `--fix`."""

VALUES: Mapping[str, Sequence[str]] = {
    "query": ("select * from training", "select count(*) as n, min(step) from model_output"),
    "what": ("training", "metrics", "wide", "rewards", "outputs", "odd"),
    "types": ("training", "odd", "model_output"),
    "where": ("step > 1", "loss < 1 or step is null"),
    "last": ("1", "100000"),
    "step": ("1", "0:3"),
    "sort": ("reward", "right"),
    "worst": ("2",),
    "as_format": ("table", "json"),
    "to": ("csv,parquet,tensorboard,console",),
}
"""Values of arguments and options, by the name of the parameter in Python."""

REQUIRED = frozenset({"to"})
FLAGS = frozenset({"fix", "json", "all_attempts", "is_following", "correct"})
"""Flags that are tried. `--import` and `--external` are how a user permits more."""


def command_lines(random: Random, run: Path, out: Path) -> Iterator[list[str]]:
    """Yield the arguments of each command, with some of its options, in a random order.

    Args:
        random: Chooses the order and the options.
        run: The run's folder.
        out: An existing folder for what the user has written elsewhere.
    """
    commands = list(_commands(typer.main.get_command(app)))
    for path, command in random.sample(commands, len(commands)):
        positional: list[str] = []
        options: list[str] = []
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                positional.append(_argument(random, parameter, run, out))
            elif parameter.name in REQUIRED or random.random() < 0.4:
                options += _option(random, parameter)
        if path == ("config", "check"):
            positional = [str(_write_config(run, out))]
        if path == ("doctor",) and random.random() < 0.5:
            options += ["--fix"]
        if path == ("import",):
            options += ["--dir", str(out), "--run", f"imported{random.randrange(10**6)}"]
        yield [*path, *positional, *dict.fromkeys(options)]


def removal_lines(random: Random, run: Path) -> Iterator[list[str]]:
    """Yield the arguments that archive a run or not, and then remove it."""
    if random.random() < 0.5:
        yield ["runs", "archive", str(run)]
        archived = run.parent / "archive" / run.name
        run = archived if archived.exists() else run
    yield ["runs", "rm", str(run), "--yes"]


def _write_config(run: Path, out: Path) -> Path:
    """Write the configuration that a run has recorded to a file, or what was made of it."""
    path = out / "config.yaml"
    journal = run / "events.jsonl"
    text = journal.read_bytes()[:MAX_CONFIG_BYTES] if journal.is_file() else b""
    for line in text.splitlines():
        with suppress(ValueError, TypeError, KeyError):
            path.write_text(json.loads(line)["config"])
            return path
    path.write_bytes(text)
    return path


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        own = (*path, name)
        if hasattr(command, "commands"):
            yield from _commands(command, own)
        elif own not in OMITTED:
            yield own, command


def _argument(random: Random, parameter: Any, run: Path, out: Path) -> str:
    """Return a value for an argument: by its name or metavar, else the run."""
    if parameter.name in VALUES:
        return random.choice(VALUES[parameter.name])
    if parameter.name == "out":
        return str(out / f"export{random.randrange(10**6)}{random.choice(('.csv', '.json'))}")
    if parameter.name == "folder":
        return str(run.parent)
    if parameter.name == "source":
        return str(random.choice([run, *sorted(run.iterdir())]))
    return str(run)


def _option(random: Random, parameter: Any) -> list[str]:
    name = next(option for option in parameter.opts if option.startswith("--"))
    if parameter.name in FLAGS:
        return [name]
    return [f"{name}={random.choice(VALUES[parameter.name])}"] if parameter.name in VALUES else []


def _limit(usage: str) -> None:
    """Limit memory, time and files of this process; its peak of memory is written to a file."""
    faulthandler.enable()
    own_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: own_bytes + MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))

    def note_peak() -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with suppress(OSError):
            Path(usage).write_text(str(peak * 1024))

    atexit.register(note_peak)


def run_main(arguments: list[str], folder: str, usage: str) -> None:
    """Run the command line in a folder, under limits."""
    os.chdir(folder)
    _limit(usage)
    sys.argv = ["logflume", *arguments]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # as in a terminal
    sys.stderr.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    main()


def serve(name: str, run: str, folder: str, usage: str) -> None:
    """Run a command that serves, request all that it has, and interrupt it."""
    threading.Thread(target=_request_all, args=(name, run), daemon=True).start()
    served = run if name == "tensorboard" else str(Path(run).parent)
    run_main([name, served, "--port", "0"], folder, usage)


def _request_all(name: str, run: str) -> None:
    """Request everything once the address is printed, and then interrupt this process.

    An error of `logflume ui` that it doesn't explain is printed.
    """
    # Proxies are for other machines.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        until_s = time.monotonic() + REQUESTS_S
        address = _wait_for_address(until_s)
        for path in SERVING[name]:
            try:
                timeout_s = max(1.0, until_s - time.monotonic())
                opener.open(address + path.format(run=Path(run).name), timeout=timeout_s).read()
            except urllib.error.HTTPError as error:
                if error.code == UNEXPLAINED and name == "ui":
                    print(f"{UNEXPECTED} {path}: {error.read()!r}", flush=True)
            except (OSError, http.client.HTTPException) as error:
                if name == "ui":
                    print(f"{UNEXPECTED} {path}: {error!r}", flush=True)
    finally:
        os.kill(os.getpid(), signal.SIGINT)


def _wait_for_address(until_s: float) -> str:
    while time.monotonic() < until_s:
        printed = Path("/proc/self/fd/1").read_text("utf-8", "replace")
        if found := re.search(r"http://[^/\s]+/", printed):
            return found[0]
        time.sleep(POLL_S)
    raise TimeoutError("no address was printed")


ARGUMENTS: Mapping[str, Any] = {
    "event_type": "training",
    "query": "select count(*) from training",
    "k": 2,
    "prompt_id": "331e2315b2ce65e4",
    "columns": ["step", "model_output"],
    "report": lambda damage: None,
}
"""Values of the parameters that queries need, by name."""


def query(run: str, folder: str, usage: str) -> None:
    """Call every public method and property of a run; only an error of logflume may come out."""
    os.chdir(folder)
    _limit(usage)
    with suppress(LogflumeError):
        opened = logflume.open_run(run)
        for name, member in inspect.getmembers(Run):
            if name.startswith("_"):
                continue
            with suppress(LogflumeError):
                value = getattr(opened, name)
                if inspect.isfunction(member):
                    parameters = inspect.signature(value).parameters
                    needed = [p for p, one in parameters.items() if one.default is one.empty]
                    answer = value(**{p: ARGUMENTS[p] for p in needed if p in ARGUMENTS})
                    if isinstance(answer, Iterator):
                        deque(answer, maxlen=0)
        for _ in opened:
            pass


def continue_run(dir: str, run: str, worker: str, folder: str, usage: str) -> None:  # noqa: A002
    """Continue a run, as a user who trains in a copied folder does."""
    os.chdir(folder)
    _limit(usage)
    from tests.maintenance.runs import CONFIG, log_steps

    with suppress(LogflumeError):
        logflume.initialize({**CONFIG, "worker": worker}, dir=dir, run=run)
        log_steps(1, 2)
        logflume.shutdown(60)
