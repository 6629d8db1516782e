"""The files under `media/`: compared with the journals, repaired, and kept where in doubt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import logflume
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from tests.maintenance.runs import start

STRANGE = "f" * 32 + ".png"
DRAFT = "." + "e" * 32 + ".png.4711"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with three images and a foreign file."""
    run = start(tmp_path)
    for number in range(3):
        image = logflume.Image(np.full((2, 2), number, np.uint8))
        logflume.get_logger().info("probe", image=image, nested={"some": [image]})
    logflume.shutdown()
    (run / "media/notes.txt").write_text("mine")
    return run


def found(folder: Path) -> list[tuple[int, str]]:
    return [(i.count, i.what.partition(",")[0]) for i in diagnose(folder) if i.file == "media"]


def test_missing_files(folder: Path) -> None:
    """A file that an event names and that is missing is an issue, which no repair solves."""
    images = sorted((folder / "media").glob("*.png"))
    for image in images[:2]:
        image.unlink()

    assert [(2, "files that events name are missing")] == found(folder)
    assert [2] == [issue.count for issue in repair(folder)]


def test_stale_files(folder: Path) -> None:
    """What no event names is stale, a killed process's draft too; a foreign file is left alone."""
    before = {path.name for path in (folder / "media").iterdir()}
    for name in (STRANGE, DRAFT):
        (folder / "media" / name).write_bytes(b"")

    assert [(2, "stale files")] == found(folder)
    assert [] == repair(folder)
    assert before == {path.name for path in (folder / "media").iterdir()}


def lose_a_line(folder: Path) -> None:
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if json.loads(line)["seq"] != 2))


def link_media(folder: Path) -> None:
    moved = shutil.move(folder / "media", folder.parent / "elsewhere")
    (folder / "media").symlink_to(moved)


def add_a_writer(folder: Path) -> None:
    (folder / "events-rank1.jsonl").write_text("no event\n")


@pytest.mark.parametrize("doubt", [lose_a_line, link_media, add_a_writer])
def test_files_that_may_be_needed_are_kept(folder: Path, doubt: Callable[[Path], None]) -> None:
    """Where a journal has lost events, or the folder is a link, nothing counts as stale."""
    (folder / "media" / STRANGE).write_bytes(b"")
    doubt(folder)

    assert [] == found(folder)
    repair(folder)
    assert (folder / "media" / STRANGE).exists()


def test_a_live_run(tmp_path: Path) -> None:
    """An image that is stored and whose event isn't written yet is not stale."""
    folder = start(tmp_path)
    logflume.get_logger().info("probe", image=logflume.Image(np.eye(3)))
    assert logflume.flush()
    (folder / "media" / STRANGE).write_bytes(b"")
    assert [] == diagnose(folder)
    logflume.shutdown()
    assert [(1, "stale files")] == found(folder)
