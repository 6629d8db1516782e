"""Files that grow by whole pieces: removed while they are written, pipes, what an empty one has."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from logflume.sinks._appendfile import AppendFile

PIPE_BYTES = 1 << 16


def whole(file: int) -> int:
    return os.fstat(file).st_size


def test_a_removed_file_is_made_again(tmp_path: Path) -> None:
    """What comes after somebody removed the folder is there, with the header."""
    path = tmp_path / "deep" / "file"
    with closing(AppendFile(path, whole, header=b"head\n")) as file:
        file.append(b"one\n")
        path.unlink()
        path.parent.rmdir()
        file.append(b"two\n")

        assert b"head\ntwo\n" == path.read_bytes()
        assert 9 == file.size


def test_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    """It is full some time; then an append raises, and waits for nobody."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    file = AppendFile(path, whole)
    for _ in range(PIPE_BYTES // 1024):
        file.append(b"x" * 1024)

    with pytest.raises(BlockingIOError):
        file.append(b"x")
    file.close()


def test_a_pipe_that_is_read_again(tmp_path: Path) -> None:
    """A reader that comes late gets every piece that was taken, whole and once."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    first, second = b"1" * (PIPE_BYTES + 5_000), b"2" * 100
    with closing(AppendFile(path, whole)) as file:
        file.append(first)
        with pytest.raises(BlockingIOError):
            file.append(second)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        found = os.read(reader, PIPE_BYTES)
        file.append(second)
        found += os.read(reader, PIPE_BYTES)
        os.close(reader)

    assert first + second == found


def test_a_pipe_that_keeps_a_rest(tmp_path: Path) -> None:
    """What could not be written of the last piece is no silent loss: the end raises."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    file = AppendFile(path, whole)
    file.append(b"1" * (PIPE_BYTES + 5_000))

    with pytest.raises(BlockingIOError):
        file.close()
    file.close()
