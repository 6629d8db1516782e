"""A journal that was rotated very often is read with the memory of one file."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack
from pathlib import Path

import orjson
import pyarrow as pa

import logflume
from logflume.formats.journal import open_journal, read_lines, read_lines_from
from logflume.runs.files import find_writers

FILES = 300
A_DECOMPRESSOR_BYTES = 2**20


def rotate(folder: Path) -> None:
    """Write a journal of compressed files with one event each."""
    for number in range(FILES):
        event = {"event": "a", "run": "r", "attempt": 0, "rank": 0, "seq": number, "step": number}
        event |= {"timestamp": "2026-11-23T06:00:00.123456Z", "level": "info", "logger": "l"}
        path = folder / f"events.{number + 1:06}.jsonl.zst"
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(orjson.dumps(event) + b"\n")


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_a_file_takes_memory_only_while_it_is_read(tmp_path: Path) -> None:
    """Hundreds of open files take less than a tenth of their decompressors together."""
    rotate(tmp_path)
    (writer,) = find_writers(tmp_path)
    with ExitStack() as stack:
        files = open_journal(writer, stack)
        before = resident_bytes()
        seqs = [position[1] for position, _ in read_lines_from(files, (0, 290))]
        taken_bytes = resident_bytes() - before

    assert list(range(290, FILES)) == seqs
    assert taken_bytes < FILES * A_DECOMPRESSOR_BYTES / 10


def test_files_that_are_replaced_while_they_are_open(tmp_path: Path) -> None:
    """What was opened is read, also after another file has its name."""
    rotate(tmp_path)
    (writer,) = find_writers(tmp_path)
    with ExitStack() as stack:
        files = open_journal(writer, stack)
        for path, _ in files:
            os.replace(tmp_path / "events.000001.jsonl.zst", path)  # noqa: PTH105
            path.rename(tmp_path / "events.000001.jsonl.zst")
        lines = [orjson.loads(line.raw) for line in read_lines(files)]

    assert list(range(FILES)) == [line["seq"] for line in lines]
    assert ["r"] == sorted({event["run"] for event in lines})
    assert logflume.open_run(tmp_path).types() == {"a": 1}
