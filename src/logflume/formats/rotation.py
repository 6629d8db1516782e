"""Rotation of full journal files, with compression in the background."""

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
from logflume.runs.files import journal_files, rotated_files
from logflume.runs.safe_files import open_file
from logflume.threads import start_thread

__all__ = ["Rotation"]

CHUNK_BYTES = 1 << 20


class Rotation:
    """The rotated files of `events.jsonl`, numbered: `events.000001.jsonl.zst` and so on.

    Only one process writes them at a time, so it can assign the numbers itself.

    The constructor repairs what a crash left: it removes unfinished compressed files, and
    compresses rotated files that are not compressed yet.

    Args:
        path: The file to rotate.
        syncs: Whether a compressed copy has to be on the disk before it replaces the file.
    """

    def __init__(self, path: Path, *, syncs: bool = False) -> None:
        self._path = path
        self._syncs = syncs
        self._threads: list[threading.Thread] = []
        self._uncompressed: list[Path] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        numbered = rotated_files(path)
        # Counted in memory from here on: listing the folder again could fail, and reusing a number
        # would overwrite a file.
        self._last = max(numbered.values(), default=0)
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
        name = f"{self._path.stem}.{self._last + 1:06d}{self._path.suffix}"
        rotated = self._path.with_name(name)
        try:
            self._path.rename(rotated)
        except FileNotFoundError:
            return  # moved or removed by another process: a new file is started anyway
        self._last += 1
        self._start_compression(rotated)

    def close(self) -> None:
        """Wait for running compressions."""
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start_compression(self, rotated: Path) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._uncompressed.append(rotated)
        # Where the system grants no thread now, the next rotation or start tries again.
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
        shutil.copyfileobj(source, target, CHUNK_BYTES)
        if source.tell() != rotated.stat().st_size:
            raise OSError(errno.EIO, "the file was read only in part", str(rotated))
    if syncs:
        sync_file(draft)
    draft.replace(rotated.with_name(rotated.name + ".zst"))
    if syncs:
        sync_entry(rotated)
    rotated.unlink()
