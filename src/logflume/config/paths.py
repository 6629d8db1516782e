"""Checks the paths of a configuration, before anything is opened or created.

A sink writes to a regular file or a folder on this machine. Any other path is an error: a named
pipe would block, and an address such as `s3://logs` would become a local folder.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from logflume.config.errors import ErrorList, config_error
from logflume.config.model import Config
from logflume.config.reader import join
from logflume.config.registry import SINKS, find
from logflume.protocols import is_journal
from logflume.runs.files import is_own_name
from logflume.runs.identity import LATEST, check_run_id, find_rank, find_run_id
from logflume.runs.info import RunInfo
from logflume.runs.lock import LOCK_FILE
from logflume.runs.state import STATE_FILE

__all__ = ["PathCheck", "check_path", "check_paths"]

# `Path` turns `s3://logs` into `s3:/logs`. A single letter is a Windows drive.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")

_SHELL_NAMES = re.compile(r"~|.*\$\{?\w", re.DOTALL)

_LONGEST_NAME = 255
"""Of a file, in bytes, on all common file systems."""

_UNNAMED_RUN = "new"
"""Stands for an id that is not known yet: such a run is new, so its folder is empty."""

_OWN_FILES = {
    STATE_FILE: "the state of the run",
    LOCK_FILE: "the lock of the run",
    "{dir}/{run}/environment": "the state of the code",
    "{dir}/{run}/media": "the images of the run",
}

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_WANTED = {
    "file": (stat.S_IFREG,),
    "folder": (stat.S_IFDIR,),
    None: (stat.S_IFREG, stat.S_IFDIR),
}


class PathCheck(Enum):
    """How thoroughly the paths of a configuration are checked."""

    NONE = auto()
    """Not at all: nothing will be written there."""
    KIND = auto()
    """That they lead to files and folders; for `initialize`, which then opens them."""
    WRITABLE = auto()
    """Also that they can be written to, by creating a temporary file in each folder."""


class _Output(NamedTuple):
    """What a sink writes: its path, where it is configured, and what the path must be."""

    path: Path
    where: str
    output: str | None
    is_journal: bool = False


def check_paths(
    config: Config, where: str, where_dir: str, errors: ErrorList, check: PathCheck
) -> None:
    """Check the folder of the runs and the `path` of every sink that is used.

    Args:
        config: The configuration.
        where: Location in the configuration, for errors.
        where_dir: Where `dir` was set.
        errors: Where unusable paths are added.
        check: How thoroughly.
    """
    if check is PathCheck.NONE:
        return
    with errors:
        check_path(config.dir, where_dir)
        run = _identify(config)
        folders = [_Output(path, where_dir, "folder") for path in (run.dir, run.folder)]
        sinks: list[_Output] = []
        for name in config.used_sinks():
            with errors:
                sinks += _outputs(name, config, run, join(where, f"sinks.{name}.path"))
        usable = []
        for output in (*folders, *sinks):
            with errors:
                _check_output(output)
                usable.append(output)
        _check_apart([output for output in sinks if output in usable], run, errors)
        if check is PathCheck.WRITABLE:
            _probe(usable, errors)


def _identify(config: Config) -> RunInfo:
    run = config.run or find_run_id() or _UNNAMED_RUN
    check_run_id(run)
    working_dir = Path.cwd()
    return RunInfo(run=run, rank=find_rank(), dir=working_dir / config.dir, working_dir=working_dir)


def _outputs(name: str, config: Config, run: RunInfo, where: str) -> list[_Output]:
    """Return what a sink writes: a list of one, or none without a `path`."""
    sink = config.sinks[name]
    path = sink.options.get("path")
    if sink.instance is not None or not isinstance(path, str):
        return []
    check_path(path, where)
    factory = find(SINKS, sink.type, f"{where.removesuffix('path')}type")
    return [_Output(run.expand(path), where, getattr(factory, "output", None), is_journal(factory))]


def check_path(path: str, where: str) -> None:
    """Check that a text is a local path that no shell would have to expand.

    Raises:
        ConfigError: It is not.
    """
    if not path.strip():
        raise config_error(where, "the path is empty; '.' is the current folder")
    try:
        encoded = os.fsencode(path)
    except UnicodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise config_error(where, f"{path!r} has a character that is not allowed in paths")
    if match := _ADDRESS.match(path):
        if match[1].lower() == "file":
            raise config_error(where, f"{path!r} is an address: write the path only")
        raise config_error(
            where,
            f"{path!r} is an address, and logflume writes to local files only: write to a local "
            "folder, and copy it from there (a `mirror` that does so is planned)",
        )
    if _SHELL_NAMES.match(path):
        raise config_error(where, f"{path!r} has a name that only a shell expands: write it out")


def _check_output(output: _Output) -> None:
    path, where, wanted, _ = output
    for place in (path, *path.parents):
        if len(os.fsencode(place.name)) > _LONGEST_NAME:
            raise config_error(where, f"{place} can't be used: File name too long")
        try:
            kind = stat.S_IFMT(place.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if place.is_symlink():
                target = place.readlink()
                raise config_error(
                    where, f"{place} is a link to {target}, which does not exist"
                ) from None
            continue
        except OSError as error:
            raise config_error(where, f"{place} can't be used: {error.strerror}") from None
        allowed = _WANTED[wanted if place is path else "folder"]
        if kind not in allowed:
            needed = " or ".join(_KINDS[kind] for kind in allowed)
            raise config_error(
                where, f"{place} is {_KINDS.get(kind, 'something else')}, and not {needed}"
            )
        return


def _check_apart(outputs: Sequence[_Output], run: RunInfo, errors: ErrorList) -> None:
    """Check that no two sinks write to one path, nor any to a file of the run itself."""
    own_files = {run.expand(path): what for path, what in _OWN_FILES.items()}
    owners = {key: what for path, what in own_files.items() for key in _keys(path)}
    latest = run.dir / LATEST
    own_files[latest] = owners[_place(latest)] = "the link to the newest run"
    files = [output for output in outputs if output.output == "file"]
    for output in outputs:
        owner = next((owners[key] for key in _keys(output.path) if key in owners), None)
        with errors:
            if owner is not None:
                raise config_error(output.where, f"{output.path} is also {owner}")
            is_in_run = output.path.parent == run.folder and not output.is_journal
            if is_in_run and is_own_name(output.path.name):
                problem = f"{output.path.name} is a name of a journal, a run state or a lock"
                raise config_error(output.where, f"{problem}: choose another")
            for path, what in own_files.items():
                if path in output.path.parents:
                    raise config_error(output.where, f"{output.path} is in {path}: {what}")
            for file in files:
                if file.path in output.path.parents:
                    problem = f"{output.path} is in {file.path}, which is a file: {file.where}"
                    raise config_error(output.where, problem)
        owners |= dict.fromkeys(_keys(output.path), f"the path of another sink: {output.where}")


def _keys(path: Path) -> list[str]:
    """Return keys of a path: two paths that lead to the same file share at least one.

    Case is ignored, as on macOS and Windows, where the folder may be copied.
    """
    keys = [os.path.realpath(path).casefold(), _place(path)]
    with suppress(OSError):
        status = path.stat()
        keys.append(f"{status.st_dev} {status.st_ino}")
    return keys


def _place(path: Path) -> str:
    """Return the location of a path itself, even if it is a link that leads elsewhere."""
    return str(Path(os.path.realpath(path.parent)) / path.name).casefold()


def _probe(outputs: Sequence[_Output], errors: ErrorList) -> None:
    """Check that each folder can be written to, or the nearest one that exists."""
    probed = set()
    for path, where, _, _ in outputs:
        if path.is_file() and not os.access(path, os.W_OK):
            with errors:
                raise config_error(where, f"{path} can't be written to: its mode forbids it")
        folder = next(place for place in (path, *path.parents) if place.is_dir())
        if folder in probed:
            continue
        probed.add(folder)
        with errors:
            try:
                tempfile.TemporaryFile(dir=folder).close()
            except OSError as error:
                problem = f"{folder} can't be written to: {error.strerror}"
                raise config_error(where, problem) from None
