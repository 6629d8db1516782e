"""TensorBoard's records: framing and reading them.

A record is `length (8 bytes) | checksum of the length | data | checksum of the data`,
little-endian, each checksum a masked CRC-32C of 4 bytes. Source: TensorFlow's
`core/lib/io/record_writer.cc`. (TensorBoard's own reader counts the checksums in Python.)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path

__all__ = ["FRAME_BYTES", "frame", "read_records"]

FRAME_BYTES = 16
"""What a record takes beside its data."""

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")


def frame(data: bytes) -> bytes:
    """Return `data` as one record."""
    return b"".join((_head(len(data)), data, _checksum(data)))


def read_records(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Yield the data of the records of a file, up to one that is torn or damaged.

    Args:
        path: The file.
        offset: Where a record begins, in bytes.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while head := file.read(_LENGTH.size + _CHECKSUM.size):
            length = head[: _LENGTH.size]
            # Unchecked, what a crash has left in place of a length could ask for any memory.
            if head[_LENGTH.size :] != _checksum(length):
                return
            (size,) = _LENGTH.unpack(length)
            data, checksum = file.read(size), file.read(_CHECKSUM.size)
            if checksum != _checksum(data):
                return
            yield data


@lru_cache(1024)
def _head(size: int) -> bytes:
    length = _LENGTH.pack(size)
    return length + _checksum(length)


def _checksum(data: bytes) -> bytes:
    crc = _crc32c()(data)
    # Masked, as the format asks, because a checksum of data that holds checksums is weak.
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return _CHECKSUM.pack(masked)


@cache
def _crc32c() -> Callable[[bytes], int]:
    # Imported here: the command line needs it for one command only.
    import google_crc32c

    return google_crc32c.value  # type: ignore[no-any-return]
