"""File system faults: a full disk, a file size limit, a deleted folder."""

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
from tests.torture.harness import FILE_SINKS, Harness, training
from tests.torture.scenario_result import ScenarioResult
from tests.torture.sink_file_readers import READERS

__all__ = [
    "deleted_folder",
    "file_size_limit",
    "full_disk",
    "read_only_folder",
]

JOURNAL = {"jsonl": FILE_SINKS["jsonl"]}
NOBODY_UID = 65534


def full_disk(result: ScenarioResult, random: Random, folder: Path) -> None:
    """A small disk fills up and is freed again: each sink fails once and recovers completely."""
    with (
        _small_disk(result, folder),
        training(result, "a full disk", folder, FILE_SINKS) as harness,
    ):
        harness.log(random.randint(1, 2_000))
        logflume.flush()
        ballast = _fill(folder)
        harness.log_until(lambda: harness.statuses("jsonl"), "the full disk is reported")
        harness.log(random.randint(1, 2_000))
        ballast.unlink()
        harness.wait_for(lambda: logflume.flush(1.0), "the sinks recover")
        harness.log(100)
        logflume.shutdown()
        _check_recovered(harness, folder)
    harness.expect(["failed", "recovered"], harness.statuses("jsonl"), "reports of the journal")


def file_size_limit(result: ScenarioResult, random: Random, folder: Path) -> None:
    """File sizes are limited (`ulimit -f`), as with a quota, and later unlimited again."""
    sinks = {"jsonl": {"path": FILE_SINKS["jsonl"]["path"]}, "csv": FILE_SINKS["csv"]}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with training(result, "a file size limit", folder, sinks) as harness:
        resource.setrlimit(resource.RLIMIT_FSIZE, (random.randint(10_000, 100_000), before[1]))
        try:
            harness.log_until(lambda: harness.statuses("jsonl"), "the limit is reported")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        harness.wait_for(lambda: logflume.flush(1.0), "the sinks recover")
        logflume.shutdown()
        _check_recovered(harness, folder, "journal", "csv")
    harness.expect(["failed", "recovered"], harness.statuses("jsonl"), "reports of the journal")


def read_only_folder(result: ScenarioResult, random: Random, folder: Path) -> None:
    """The folder is read-only for a while: open files are still written, new ones fail."""
    with training(result, "a read-only folder", folder, FILE_SINKS) as harness:
        harness.log(random.randint(1, 500))
        logflume.flush()
        with _read_only(folder):
            harness.log_until(
                lambda: harness.statuses("parquet"), "the read-only folder is reported"
            )
        harness.wait_for(lambda: logflume.flush(1.0), "the sinks recover")
        logflume.shutdown()
        _check_recovered(harness, folder)
    harness.expect(["failed", "recovered"], harness.statuses("parquet"), "reports of Parquet")


def deleted_folder(result: ScenarioResult, random: Random, folder: Path) -> None:
    """The run's folder is deleted while the run goes on: all later events are written."""
    with training(result, "a deleted folder", folder, FILE_SINKS) as harness:
        harness.log(random.randint(1, 500))
        logflume.flush()
        shutil.rmtree(folder / "r")
        first = harness.logged
        harness.log(random.randint(1, 500))
        harness.wait_for(lambda: logflume.flush(1.0), "the sinks recover")
        harness.log(random.randint(1, 500))
        logflume.shutdown()
        _check_recovered(harness, folder, first=first)


def _check_recovered(harness: Harness, folder: Path, *names: str, first: int = 0) -> None:
    """Check that the sinks have every event from number `first` on."""
    for name in names or READERS:
        numbers = sorted(row.number for row in READERS[name](folder / "r"))
        harness.expect(list(range(first, harness.logged)), numbers, f"final events of {name}")
        harness.result.checked += len(numbers)
        harness.result.lost += len(set(range(first, harness.logged)) - set(numbers))


@contextmanager
def _small_disk(result: ScenarioResult, folder: Path) -> Iterator[None]:
    """Mount a disk of 3 MB on a folder; without permission to mount, use the folder as it is."""
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        result.skipped.append("a full disk: no permission to mount a file system")
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
    """Make a folder and its subfolders read-only; root, exempt from permissions, drops its uid."""
    folders = [folder, *(p for p in folder.rglob("*") if p.is_dir())]
    modes = [p.stat().st_mode for p in folders]
    for path in folders:
        path.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY_UID)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)
        for path, mode in zip(folders, modes, strict=True):
            path.chmod(mode)
