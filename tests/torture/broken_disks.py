"""Files that can't be written: the disk is full, the folder gone, nobody reads the pipe."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import logflume
from tests.torture.outputs import READERS
from tests.torture.rig import BUSY, Rig, training
from tests.torture.tally import Tally

__all__ = [
    "a_fifo_without_a_reader",
    "a_file_too_large",
    "a_folder_that_is_read_only",
    "a_folder_that_vanishes",
    "a_full_device",
    "a_full_disk",
]

JOURNAL = {"jsonl": BUSY["jsonl"]}
NOBODY = 65534


def a_full_disk(tally: Tally, random: Random, folder: Path) -> None:
    """A small disk fills up and is given room again: each sink fails once, and heals whole."""
    with _small_disk(tally, folder), training(tally, "a full disk", folder, BUSY) as rig:
        rig.log(random.randint(1, 2_000))
        logflume.flush()
        ballast = _fill(folder)
        rig.log_until(lambda: rig.statuses("jsonl"), "the full disk is reported")
        rig.log(random.randint(1, 2_000))
        ballast.unlink()
        rig.wait_for(lambda: logflume.flush(1.0), "it recovers")
        rig.log(100)
        logflume.shutdown()
        _check_healed(rig, folder)
    rig.expect(["failed", "recovered"], rig.statuses("jsonl"), "reports of the journal")


def a_full_device(tally: Tally, random: Random, folder: Path) -> None:
    """A file is on a device that is always full: said once."""
    text = {"type": "console", "path": "/dev/full"}
    with training(tally, "/dev/full", folder, {**JOURNAL, "text": text}) as rig:
        for _ in range(5):
            rig.log(random.randint(1, 500))
            logflume.flush(0.1)
    rig.expect(["failed"], rig.statuses("text"), "reports")


def a_file_too_large(tally: Tally, random: Random, folder: Path) -> None:
    """No file may grow beyond a limit (`ulimit -f`), as under a quota; later it may."""
    sinks = {"jsonl": {"path": BUSY["jsonl"]["path"]}, "csv": BUSY["csv"]}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with training(tally, "a file too large", folder, sinks) as rig:
        resource.setrlimit(resource.RLIMIT_FSIZE, (random.randint(10_000, 100_000), before[1]))
        try:
            rig.log_until(lambda: rig.statuses("jsonl"), "the limit is reported")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        rig.wait_for(lambda: logflume.flush(1.0), "it recovers")
        logflume.shutdown()
        _check_healed(rig, folder, "journal", "csv")
    rig.expect(["failed", "recovered"], rig.statuses("jsonl"), "reports of the journal")


def a_folder_that_is_read_only(tally: Tally, random: Random, folder: Path) -> None:
    """No file can be made in the folder for a while: those that are open go on."""
    with training(tally, "a read-only folder", folder, BUSY) as rig:
        rig.log(random.randint(1, 500))
        logflume.flush()
        with _read_only(folder):
            rig.log_until(lambda: rig.statuses("parquet"), "the read-only folder is reported")
        rig.wait_for(lambda: logflume.flush(1.0), "it recovers")
        logflume.shutdown()
        _check_healed(rig, folder)
    rig.expect(["failed", "recovered"], rig.statuses("parquet"), "reports of Parquet")


def a_folder_that_vanishes(tally: Tally, random: Random, folder: Path) -> None:
    """Somebody deletes the whole run while it goes on: what comes later is there."""
    with training(tally, "a vanished folder", folder, BUSY) as rig:
        rig.log(random.randint(1, 500))
        logflume.flush()
        shutil.rmtree(folder / "r")
        first = rig.logged
        rig.log(random.randint(1, 500))
        rig.wait_for(lambda: logflume.flush(1.0), "it recovers")
        rig.log(random.randint(1, 500))
        logflume.shutdown()
        _check_healed(rig, folder, first=first)


def a_fifo_without_a_reader(tally: Tally, random: Random, folder: Path) -> None:
    """The text log is a named pipe that nobody reads: it fills up, and holds up nobody."""
    fifo = folder / "pipe"
    os.mkfifo(fifo)
    text = {"type": "console", "path": str(fifo)}
    with training(tally, "a FIFO", folder, {**JOURNAL, "text": text}) as rig:
        rig.log_until(lambda: rig.statuses("text"), "the full pipe is reported", most=5_000)
        rig.log(random.randint(1, 500))
    rig.expect(["failed"], rig.statuses("text"), "reports")


def _check_healed(rig: Rig, folder: Path, *names: str, first: int = 0) -> None:
    for name in names or READERS:
        numbers = sorted(row.number for row in READERS[name](folder / "r"))
        rig.expect(list(range(first, rig.logged)), numbers, f"what {name} has in the end")
        rig.tally.checked += len(numbers)
        rig.tally.lost += len(set(range(first, rig.logged)) - set(numbers))


@contextmanager
def _small_disk(tally: Tally, folder: Path) -> Iterator[None]:
    """Mount a disk of 3 MB on a folder; where that is not ours to do, limit the size of files."""
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        tally.notes.append("a full disk: nothing can be mounted here")
        yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            return ballast


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Take away the right to make files in a folder and those below; root gives up being root."""
    folders = [folder, *(p for p in folder.rglob("*") if p.is_dir())]
    modes = [p.stat().st_mode for p in folders]
    for path in folders:
        path.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)
        for path, mode in zip(folders, modes, strict=True):
            path.chmod(mode)
