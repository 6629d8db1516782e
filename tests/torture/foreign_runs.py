"""The scenario `foreign`: every command on the folder of a run that somebody else has prepared.

Nothing outside of the folder changes, nothing in it is executed, and every command ends within
limits of time and memory, with a documented exit status and without a traceback; no character that
a terminal obeys is printed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import logflume
from tests.maintenance.runs import write_run
from tests.recorded.record import RECORDINGS
from tests.torture.forked_processes import ForkServer
from tests.torture.run_commands import (
    READING,
    SERVING,
    UNEXPECTED,
    command_lines,
    removal_lines,
)
from tests.torture.run_damages import damage
from tests.torture.scenario_result import ScenarioResult

__all__ = ["attack_commands"]

PROGRAMS = "tests.torture.run_commands"
MAX_DAMAGES = 4
MIN_COMMANDS = 4
MAX_PEAK_BYTES = 2.5 * 2**30
"""Resident memory of a command."""

SERVING_SHARE = 0.3
"""Of the runs: TensorBoard takes as long as ten other commands."""

STATUSES = (0, 1)
_TRACEBACK = re.compile("^Traceback", re.MULTILINE)
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

Tree = Mapping[str, tuple[object, ...]]


def attack_commands(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Damage runs, run everything on each of them, and check what stays as it is."""
    templates = _write_templates(folder)
    is_first = True
    with ForkServer() as server:
        while is_first or time.monotonic() < until_s:
            is_first = False
            case = _Case(server, result, random, Path(tempfile.mkdtemp(dir=folder)))
            case.prepare(random.choice(templates))
            case.check(until_s)


def _write_templates(folder: Path) -> list[Path]:
    """Return runs of this version and of an older one: ranks, attempts, rotated journals."""
    write_run(folder / "template", range(3), range(2, 4))
    current = write_run(folder / "template", range(2), rank=1)
    return [current, *sorted((RECORDINGS / "v0_1" / "runs").iterdir())]


class _Case:
    """One damaged run.

    Args:
        server: Starts the processes.
        result: Where counts and violations go.
        random: Chooses damages, commands and options.
        folder: An empty folder.
    """

    def __init__(
        self, server: ForkServer, result: ScenarioResult, random: Random, folder: Path
    ) -> None:
        self._server = server
        self._result = result
        self._random = random
        self._folder = folder
        self._run = folder / "logs" / "r"
        self._victim = folder / "victim"
        self._damages: list[str] = []

    def prepare(self, template: Path) -> None:
        """Copy a run, put a healthy one and files of the user next to it, and damage it."""
        shutil.copytree(template, self._run)
        shutil.copytree(template, self._run.parent / "healthy")
        (self._victim / "folder" / ".git").mkdir(parents=True)
        (self._victim / "folder" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (self._victim / "file").write_text('{"mine": 1}\n{"torn')
        (self._folder / "out").mkdir()
        (self._folder / "usage").mkdir()
        os.chdir(self._run)  # a socket's path has at most 108 bytes
        for _ in range(self._random.randint(1, MAX_DAMAGES)):
            self._damages.append(damage(self._random, self._run, self._victim))
            self._result.faults += 1
        os.chdir("/")

    def check(self, until_s: float) -> None:
        """Run everything on the run; remove the folder unless there was a violation.

        Once the time is over, at least a few of the commands, which come in a random order.
        """
        violations = len(self._result.violations)
        healthy = self._run.parent / "healthy"
        events = len(logflume.open_run(healthy).events("training"))
        for number, arguments in enumerate(
            command_lines(self._random, self._run, self._folder / "out")
        ):
            if number >= MIN_COMMANDS and time.monotonic() > until_s:
                break
            self._call("run_main", arguments[0], " ".join(arguments), arguments=arguments)
        self._call("query", "query", "open_run", run=str(self._run))
        worker = self._random.choice(("thread", "process"))
        self._call(
            "continue_run",
            "continue",
            f"initialize, {worker}",
            dir=str(self._run.parent),
            run="r",
            worker=worker,
        )
        self._call("query", "query", "open_run after initialize", run=str(self._run))
        if self._random.random() < SERVING_SHARE:
            name = self._random.choice(list(SERVING))
            self._call("serve", name, name, name=name, run=str(self._run))
        found = len(logflume.open_run(healthy).events("training"))
        self._result.expect(events, found, self._text("events of another run"))
        self._result.checked += found
        for arguments in removal_lines(self._random, self._run):
            self._call("run_main", "runs rm", " ".join(arguments), arguments=arguments)
        if len(self._result.violations) == violations:
            shutil.rmtree(self._folder, onerror=_force)

    def _call(self, program: str, command: str, text: str, **arguments: object) -> None:
        """Run one program, and check how it ended and what it changed."""
        output = self._folder / "usage" / "output"
        usage = self._folder / "usage" / "peak"
        for path in (output, usage):
            path.unlink(missing_ok=True)
        before, run_before = self._outside(), _tree(self._run)
        folder = self._run if self._random.random() < 0.8 else self._folder
        code = self._server.run(
            f"{PROGRAMS}:{program}",
            **arguments,
            folder=str(self._folder if command == "runs rm" else folder),
            usage=str(usage),
            errors=str(output),
        )
        printed = output.read_bytes().decode("utf-8", "replace") if output.exists() else ""
        require = self._result.require
        last = " | ".join(printed.splitlines()[-3:])[-300:]
        require(code in STATUSES, self._text(f"{text}: exit status {code}: {last}"))
        require(not _TRACEBACK.search(printed), self._text(f"{text}: {last}"))
        require("Exception ignored" not in printed, self._text(f"{text}: {last}"))
        require(UNEXPECTED not in printed, self._text(f"{text}: {last}"))
        obeyed = _OBEYED.search(printed)
        require(obeyed is None, self._text(f"{text}: prints {obeyed and obeyed[0]!r}: {last}"))
        peak = int(usage.read_text() or 0) if usage.exists() else 0
        require(peak < MAX_PEAK_BYTES, self._text(f"{text}: {peak / 1e6:,.0f} MB of memory"))
        after = self._outside()
        require(before == after, self._text(f"{text}: changes {_changes(before, after)}"))
        require(not (self._folder / "ran").exists(), self._text(f"{text}: runs a module"))
        (self._folder / "ran").unlink(missing_ok=True)
        require(command == "runs rm" or self._run.is_dir(), self._text(f"{text}: the run is gone"))
        if command in READING | {"query"} or (command == "doctor" and "--fix" not in text):
            run_after = _tree(self._run)
            changes = _changes(run_before, run_after)
            require(run_before == run_after, self._text(f"{text}: changes {changes} of the run"))

    def _outside(self) -> Tree:
        """Return all that no command may change."""
        tree: dict[str, tuple[object, ...]] = {}
        for folder in (self._victim, self._run.parent / "healthy"):
            tree |= {f"{folder.name}/{name}": of_file for name, of_file in _tree(folder).items()}
        # `runs archive` moves the run, and `runs rm` removes it; what is left has a hidden name.
        names = {path.name for path in self._run.parent.iterdir() if path.name[:2] != ".r"}
        names -= {"latest", "archive", "r"}
        names |= {path.name for path in self._folder.iterdir()}
        return tree | dict.fromkeys(names - {"ran"}, ())

    def _text(self, what: str) -> str:
        return f"{self._folder.name}: {'; '.join(self._damages)}: {what}"


def _tree(folder: Path) -> Tree:
    """Return type, mode, size, time and content of everything in a folder, by relative path.

    Empty if there is no folder.
    """
    tree: dict[str, tuple[object, ...]] = {}
    if not folder.is_dir():
        return tree
    for path in [folder, *(Path(p, n) for p, ds, fs in os.walk(folder) for n in [*ds, *fs])]:
        status = path.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = path.readlink()
        elif stat.S_ISREG(status.st_mode) and status.st_size < 1 << 22:
            content = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        mtime = status.st_mtime_ns if not stat.S_ISCHR(status.st_mode) else 0
        tree[os.path.relpath(path, folder)] = (status.st_mode, size, mtime, content)
    return tree


def _changes(before: Tree, after: Tree) -> list[str]:
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)][:5]


def _force(function: Callable[[str], object], path: str, _info: object) -> None:
    """Remove a file of a folder that may not be written."""
    Path(path).parent.chmod(0o700)
    Path(path).chmod(0o700)
    function(path)
