"""Moving a full file aside and compressing it, without holding up whoever writes."""

from __future__ import annotations

import errno
import re
import shutil
import threading
from contextlib import suppress
from pathlib import Path

__all__ = ["Rotation"]

CHUNK_BYTES = 1 << 20


class Rotation:
    """The rotated files of `events.jsonl`: `events.000001.jsonl.zst` and so on, in order.

    One process writes them at a time, so their numbers are its own to give.

    What a crash has left is put right on opening: a draft of a compression is removed, a rotated
    file that was not compressed yet is.

    Args:
        path: The file that is rotated.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads: list[threading.Thread] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        numbered = self._numbered()
        # Counted from here on: to look again might fail, and a number that is taken lose a file.
        self._last = max(numbered.values(), default=0)
        for draft in path.parent.glob(f".{path.stem}.*{path.suffix}.zst.tmp"):
            draft.unlink()
        for rotated in numbered:
            if rotated.suffix == ".zst":
                continue
            if rotated.with_name(rotated.name + ".zst") in numbered:
                rotated.unlink()  # the crash came between the last two steps
            else:
                self._compress_soon(rotated)

    def files(self) -> list[Path]:
        """Return the files in order, the one that is written last; each in one form only."""
        numbered = self._numbered()
        rotated = [path for path in numbered if path.with_name(f"{path.name}.zst") not in numbered]
        present = [self._path] if self._path.exists() else []
        return [*sorted(rotated, key=numbered.__getitem__), *present]

    def rotate(self) -> None:
        """Move the file aside; it is compressed on a thread of its own. None there is fine, too."""
        name = f"{self._path.stem}.{self._last + 1:06d}{self._path.suffix}"
        rotated = self._path.with_name(name)
        try:
            self._path.rename(rotated)
        except FileNotFoundError:
            return  # somebody has moved or removed it: the next one begins all the same
        self._last += 1
        self._compress_soon(rotated)

    def close(self) -> None:
        """Wait for the compressions that are under way."""
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _numbered(self) -> dict[Path, int]:
        """Return the rotated files by their numbers.

        Raises:
            OSError: The folder can't be read. (`glob` would find nothing then.)
        """
        paths = self._path.parent.iterdir()
        return {p: number for p in paths if (number := self._number(p)) is not None}

    def _number(self, path: Path) -> int | None:
        pattern = rf"{re.escape(self._path.stem)}\.(\d+){re.escape(self._path.suffix)}(\.zst)?"
        match = re.fullmatch(pattern, path.name)
        return int(match[1]) if match else None

    def _compress_soon(self, rotated: Path) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(
            target=_compress, args=(rotated,), name="logflume-zstd", daemon=True
        )
        thread.start()
        self._threads.append(thread)


def _compress(rotated: Path) -> None:
    # Imported here: most runs never rotate, and pyarrow takes its time.
    import pyarrow as pa

    # Hidden: `events*.jsonl*` is what readers are told to read.
    draft = rotated.with_name(f".{rotated.name}.zst.tmp")
    try:
        with rotated.open("rb") as source, pa.CompressedOutputStream(str(draft), "zstd") as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
            if source.tell() != rotated.stat().st_size:
                raise OSError(errno.EIO, "not all of it could be read", str(rotated))
        draft.replace(rotated.with_name(rotated.name + ".zst"))
        rotated.unlink()
    except OSError:
        # The disk may be full. The plain file is as good; the next opening tries again.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
