"""Rotation of full files, for the CSV; and with compression in the background, for the journal."""

from __future__ import annotations

import errno
import shutil
import threading
from contextlib import suppress
from functools import partial
from glob import escape
from pathlib import Path

from logflume.formats.durable import sync_entry, sync_file
from logflume.guard import Failure, call_guarded
from logflume.runs.files import journal_files, rotated_files, rotated_name
from logflume.runs.safe_files import open_file
from logflume.threads import start_thread

__all__ = ["CompressedRotation", "Rotation"]

_CHUNK_BYTES = 1 << 20


class Rotation:
    """The rotated files of `x.csv`, numbered: `x.000001.csv` and so on.

    Only one process writes them at a time, so it can assign the numbers itself.

    Args:
        path: The file to rotate. Its folder is created if missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # Counted in memory from here on: listing the folder again could fail, and reusing a number
        # would overwrite a file.
        self._last = max(rotated_files(path).values(), default=0)

    def rotate(self) -> Path | None:
        """Rename the file, and return its new path; None if it is missing."""
        rotated = self._path.with_name(rotated_name(self._path, self._last + 1))
        try:
            self._path.rename(rotated)
        except FileNotFoundError:
            return None  # moved or removed by another process: a new file is started anyway
        self._last += 1
        return rotated


class CompressedRotation:
    """The rotated files of `events.jsonl`, compressed: `events.000001.jsonl.zst` and so on.

    The constructor repairs what a crash left: it removes unfinished compressed files, and
    compresses rotated files that are not compressed yet.

    Args:
        path: The file to rotate.
        syncs: Whether a compressed copy must be on the disk before it replaces the file.
    """

    def __init__(self, path: Path, *, syncs: bool = False) -> None:
        self._path = path
        self._syncs = syncs
        self._threads: list[threading.Thread] = []
        self._uncompressed: list[Path] = []
        self._rotation = Rotation(path)
        numbered = rotated_files(path)
        for draft in path.parent.glob(f".{escape(path.stem)}.*{escape(path.suffix)}.zst.tmp"):
            draft.unlink()
        for rotated in numbered:
            if rotated.suffix == ".zst":
                continue
            if rotated.with_name(rotated.name + ".zst") in numbered:
                rotated.unlink()  # the crash came between the last two steps of a compression
            else:
                self._start_compression(rotated)

    def files(self) -> list[Path]:
        """Return the files in order, the current one last; see `journal_files`."""
        return journal_files(self._path)

    def rotate(self) -> None:
        """Rename the file and compress it on a thread of its own. A missing file is ignored."""
        rotated = self._rotation.rotate()
        if rotated is not None:
            self._start_compression(rotated)

    def close(self) -> None:
        """Wait for running compressions."""
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start_compression(self, rotated: Path) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._uncompressed.append(rotated)
        # If the system can't start a thread now, the next rotation or start tries again.
        with suppress(OSError):
            while self._uncompressed:
                compress = partial(self._compress, self._uncompressed[0])
                self._threads.append(start_thread("zstd", compress, patience_s=0))
                del self._uncompressed[0]

    def _compress(self, rotated: Path) -> None:
        # Hidden, so that the documented pattern `events*.jsonl*` never matches it.
        draft = rotated.with_name(f".{rotated.name}.zst.tmp")
        if isinstance(call_guarded(_compress, rotated, draft, self._syncs), Failure):
            # Disk or memory may be full. The uncompressed file stays until another try.
            call_guarded(draft.unlink, missing_ok=True)
            self._uncompressed.append(rotated)


def _compress(rotated: Path, draft: Path, syncs: bool) -> None:
    # Imported here: pyarrow is slow to import, and most runs never rotate.
    import pyarrow as pa

    with (
        open(rotated, "rb", opener=open_file) as source,
        open(draft, "wb", opener=open_file) as file,
        pa.CompressedOutputStream(file, "zstd") as target,
    ):
        shutil.copyfileobj(source, target, _CHUNK_BYTES)
        if source.tell() != rotated.stat().st_size:
            raise OSError(errno.EIO, "the file was read only in part", str(rotated))
    if syncs:
        sync_file(draft)
    draft.replace(rotated.with_name(rotated.name + ".zst"))
    if syncs:
        sync_entry(rotated)
    rotated.unlink()
