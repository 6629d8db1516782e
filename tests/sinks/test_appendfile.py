"""`AppendFile`: failed appends, files that are removed while in use, and pipes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from logflume.formats.append import AppendFile, end_of_lines


def end_of_file(file: int) -> int:
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


def test_a_removed_file_is_created_again(tmp_path: Path) -> None:
    """After the folder was removed, the next append creates the file again, with the header."""
    path = tmp_path / "deep" / "file"
    with closing(AppendFile(path, end_of_file, header=b"head\n")) as file:
        file.append(b"one\n")
        path.unlink()
        path.parent.rmdir()
        file.append(b"two\n")

        assert b"head\ntwo\n" == path.read_bytes()
        assert 9 == file.size


def test_a_failed_truncation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a torn append can't be truncated at once, it is truncated before the next append."""
    with closing(AppendFile(tmp_path / "file", end_of_file)) as file:
        file.append(b"one\n")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_half_then_fail(os.write))
            patch.setattr(os, "ftruncate", fail)
            with pytest.raises(OSError, match="no"):
                file.append(b"two\n")
        file.append(b"three\n")

    assert b"one\nthree\n" == (tmp_path / "file").read_bytes()


def test_an_end_that_cannot_be_read(tmp_path: Path) -> None:
    """A file whose end can't be read is left unchanged until it can."""
    path = tmp_path / "file"
    path.write_bytes(b"one\nto")

    with pytest.raises(OSError, match="no"):
        AppendFile(path, fail)
    with closing(AppendFile(path, end_of_lines)) as file:
        file.append(b"two\n")

    assert b"one\ntwo\n" == path.read_bytes()


@pytest.mark.parametrize("max_bytes", [1, 3])
def test_short_reads(max_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With short reads the end is still found, and complete lines are kept."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree\nfo")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, n, at: pread(file, min(n, max_bytes), at))
    AppendFile(path, end_of_lines).close()

    assert b"one\ntwo\nthree\n" == path.read_bytes()


def test_empty_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that returns no content is not mistaken for an empty one."""
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    monkeypatch.setattr(os, "pread", lambda *_: b"")
    with pytest.raises(OSError, match="ends before"):
        AppendFile(path, end_of_lines)

    assert b"one\n" == path.read_bytes()


def test_not_a_regular_file(tmp_path: Path) -> None:
    """A named pipe and a device are refused, and the pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(OSError, match="not a regular file"):
            AppendFile(path, end_of_lines)


def test_a_file_that_becomes_a_pipe(tmp_path: Path) -> None:
    """A file that another process replaces by a named pipe fails, and does not block."""
    path = tmp_path / "file"
    file = AppendFile(path, end_of_lines)
    path.unlink()
    os.mkfifo(path)
    for _ in range(2):
        with pytest.raises(OSError, match="not a regular file"):
            file.append(b"x\n")
    path.unlink()
    with closing(file):
        file.append(b"y\n")

    assert b"y\n" == path.read_bytes()
