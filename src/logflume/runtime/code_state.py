"""The state of a run's code: its commit, the changes since then, and the installed packages."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS
from logflume.pipeline.faults import report_fault
from logflume.redaction.texts import redact_text
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import make_folder, open_file
from logflume.terminal.streams import print_line
from logflume.threads import start_thread

__all__ = ["FOLDER", "CodeState", "GitCommit"]

FOLDER = "environment"
"""The folder of these files, within the folder of the run."""

MAX_DIFF_BYTES = 1_000_000

COMMIT_TIMEOUT_S = 5.0
"""How long to wait for the commit, in seconds."""

DIFF_TIMEOUT_S = 30.0
"""How long the diff may take, in seconds. Nothing waits for it until the run ends."""

END_TIMEOUT_S = 5.0
"""How long the end of a run waits for these files, in seconds.

Only a very short run, or one in a huge repository, has to wait.
"""

_STOP_TIMEOUT_S = 0.5
"""How long it then waits for the thread to stop, in seconds."""

_CHUNK_BYTES = 65_536
_MAX_KEY_LINES = 200
"""More lines than the longest private key has."""

_CUT = "\n[cut here: the changes have more than {limit:,} bytes]\n"
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
"""These options keep git from running programs that the repository configures."""

_PACKAGE = re.compile(r"([^-]+)-([^-]+)(?:-[^-]+)*\.(?:dist|egg)-info")


def _start_git(*arguments: str) -> subprocess.Popen[bytes] | None:
    """Start git in the background; None if it can't be started.

    Call it on the thread that starts the run. If one thread forks a process while another starts
    git, that process inherits the pipe that signals the start of git, and the other thread waits
    for as long as the process lives.
    """
    try:
        return subprocess.Popen(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


class GitCommit:
    """The git commit of the working folder."""

    def __init__(self) -> None:
        self._git: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start git in the background, on the thread that starts the run."""
        self._git = _start_git("rev-parse", "HEAD")

    def result(self) -> str | None:
        """Wait for git and return the commit; None without a repository or without git."""
        if self._git is None:
            return None
        with self._git as git:
            try:
                commit, _ = git.communicate(timeout=COMMIT_TIMEOUT_S)
            except (OSError, subprocess.SubprocessError):
                git.kill()
                return None
        return commit.decode().strip() if git.returncode == 0 else None


class CodeState:
    """Writes `environment/git.diff` and `environment/packages.txt`, on a thread of its own.

    The diff has the changes of tracked files since the last commit, without secrets, and at most a
    megabyte. An attempt that continues the run adds its number to the names.

    Args:
        run: The run.
    """

    def __init__(self, run: RunInfo) -> None:
        self._folder = run.folder / FOLDER
        self._tag = f"-attempt{run.attempt}" if run.attempt else ""
        self._git: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._has_ended = threading.Event()
        self._is_over = False

    def start(self) -> None:
        """Start git and the thread, on the thread that starts the run."""
        self._git = _start_git(*_DIFF)
        self._thread = start_thread("environment", self._run)

    def finish(self, timeout_s: float = END_TIMEOUT_S) -> None:
        """Wait briefly until everything is written, and give up what takes longer.

        Call it before the pipeline is closed: an event of the run reports what isn't recorded.
        """
        if self._thread is None or self._is_over:
            return
        self._thread.join(min(timeout_s, END_TIMEOUT_S))
        self._has_ended.set()
        if self._git is not None and self._git.poll() is None:
            self._git.kill()
        self._thread.join(_STOP_TIMEOUT_S)
        self._is_over = True

    def _run(self) -> None:
        for name, write in (("packages.txt", self._write_packages), ("git.diff", self._write_diff)):
            result = call_guarded(write)
            if isinstance(result, Failure):
                self._report(name, describe(result.error))

    def _report(self, name: str, reason: str) -> None:
        if self._is_over:  # an event would be one of the next run
            print_line(f"{FOLDER}/{name}: {reason}")
        else:
            report_fault(CHANNELS, f"{FOLDER}/{name}", "limited", reason)

    def _write_packages(self) -> None:
        found = sorted(installed_packages().items(), key=lambda item: item[0].lower())
        lines = [f"# Python {platform.python_version()} on {platform.platform()}"]
        self._write("packages", ".txt", "\n".join([*lines, *map("==".join, found), ""]))

    def _write_diff(self) -> None:
        if self._git is None:
            return
        with self._git as git:
            content = self._read(git)
            if self._has_ended.is_set():
                raise TimeoutError("the run ended before git did, so the changes are not recorded")
        if not content:
            return
        is_cut = len(content) > MAX_DIFF_BYTES
        text = content[:MAX_DIFF_BYTES].decode(errors="replace")
        redacted = "".join(self._redact(text))
        self._write(
            "git", ".diff", redacted + (_CUT.format(limit=MAX_DIFF_BYTES) if is_cut else "")
        )
        if is_cut:
            reason = f"the changes have more than {MAX_DIFF_BYTES:,} bytes; the first are kept"
            self._report("git.diff", reason)

    def _read(self, git: subprocess.Popen[bytes]) -> bytes:
        """Return what git prints, up to the limit; git is stopped if it prints or takes more.

        Raises:
            TimeoutError: Git takes too long.
        """
        assert git.stdout is not None
        deadline_s = time.monotonic() + DIFF_TIMEOUT_S
        content = bytearray()
        while len(content) <= MAX_DIFF_BYTES:
            if not wait([git.stdout.fileno()], max(0.0, deadline_s - time.monotonic())):
                git.kill()
                raise TimeoutError(f"git took more than {DIFF_TIMEOUT_S:.0f} s")
            piece = os.read(git.stdout.fileno(), _CHUNK_BYTES)
            if not piece:
                return bytes(content)
            content += piece
        git.kill()
        return bytes(content)

    def _redact(self, text: str) -> Iterator[str]:
        """Yield a text without its secrets, in pieces.

        Raises:
            TimeoutError: The run has ended: the interpreter must not end during a search.
        """
        for piece in _pieces(text):
            if self._has_ended.is_set():
                raise TimeoutError("the run ended before the changes were written")
            yield redact_text(piece)

    def _write(self, stem: str, suffix: str, text: str) -> None:
        make_folder(self._folder)
        path = self._folder / f"{stem}{self._tag}{suffix}"
        with open(path, "wb", opener=open_file) as file:
            file.write(text.encode("utf-8", "backslashreplace"))


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces of whole lines; a private key, of many lines, is in one of them."""
    lines: list[str] = []
    size, key_lines = 0, 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line)
        if "-----BEGIN " in line:
            key_lines = _MAX_KEY_LINES
        key_lines = 0 if "-----END " in line else max(0, key_lines - 1)
        if size >= _CHUNK_BYTES and not key_lines:
            yield "".join(lines)
            lines, size = [], 0
    yield "".join(lines)


def installed_packages() -> dict[str, str]:
    """Return the versions of the installed packages by name, from the names of their folders.

    Reading the metadata of a thousand packages would take a second.
    """
    found: dict[str, str] = {}
    for folder in map(Path, sys.path):
        names = call_guarded(os.listdir, folder)
        for match in map(_PACKAGE.fullmatch, [] if isinstance(names, Failure) else names):
            if match:
                found.setdefault(match[1], match[2])
    return found
