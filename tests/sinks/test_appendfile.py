"""Files that grow by whole pieces: removed while they are written, pipes, what an empty one has."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from logflume.formats.append import AppendFile, end_of_lines

PIPE_BYTES = 1 << 16


def whole(file: int) -> int:
    return os.fstat(file).st_size


def write_half_then_fail(write: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    lengths = iter([2])

    def write_half(file: int, piece: bytes) -> int:
        length = next(lengths, None)
        if length is None:
            raise OSError(28, "disk full")
        return write(file, piece[:length])

    return write_half


def fail(*_arguments: object) -> NoReturn:
    raise OSError(5, "no")


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


def test_a_cut_that_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a failed append leaves is cut off before the next one, if it could not be at once."""
    with closing(AppendFile(tmp_path / "file", whole)) as file:
        file.append(b"one\n")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_half_then_fail(os.write))
            patch.setattr(os, "ftruncate", fail)
            with pytest.raises(OSError, match="no"):
                file.append(b"two\n")
        file.append(b"three\n")

    assert b"one\nthree\n" == (tmp_path / "file").read_bytes()


def test_an_end_that_cannot_be_found(tmp_path: Path) -> None:
    """A file whose end can't be read is not written to before it can."""
    path = tmp_path / "file"
    path.write_bytes(b"one\nto")

    with pytest.raises(OSError, match="no"):
        AppendFile(path, fail)
    with closing(AppendFile(path, end_of_lines)) as file:
        file.append(b"two\n")

    assert b"one\ntwo\n" == path.read_bytes()


@pytest.mark.parametrize("most", [1, 3])
def test_a_system_that_reads_little_at_a_time(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is found all the same: whole lines are not cut off."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree\nfo")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, n, at: pread(file, min(n, most), at))
    AppendFile(path, end_of_lines).close()

    assert b"one\ntwo\nthree\n" == path.read_bytes()


def test_a_system_that_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose content is not handed out is not taken for an empty one."""
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    monkeypatch.setattr(os, "pread", lambda *_: b"")
    with pytest.raises(OSError, match="ends before"):
        AppendFile(path, end_of_lines)

    assert b"one\n" == path.read_bytes()


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
