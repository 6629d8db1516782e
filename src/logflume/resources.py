"""Resource usage of the training process and its machine.

Covers memory, CPU, disk, network and torch's CUDA allocator.

Each function returns fields of a `system` event, in the names and units of
`logflume.events.catalogue.System`. Values that the platform doesn't provide, or denies access to,
are omitted.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import psutil

__all__ = [
    "above_standard_streams",
    "is_shortage",
    "machine_memory",
    "memory_limit_bytes",
    "note_torch_memory",
    "process_memory",
    "system_usage",
    "torch_memory",
    "watch_process",
    "watched_process_id",
]

Fields: TypeAlias = dict[str, float]


def process_memory() -> Fields:
    """Return `process_memory_bytes`, the resident memory of the process."""
    return _gather(_process_memory)


def machine_memory() -> Fields:
    """Return `memory_used_bytes` and `memory_total_bytes` of the machine."""
    return _gather(_machine_memory)


def memory_limit_bytes() -> int:
    """Return the memory available to this process: the machine's, or a lower resource limit."""
    bounds = [int(machine_memory()["memory_total_bytes"])]
    if sys.platform != "win32":
        import resource

        for name in ("RLIMIT_DATA", "RLIMIT_AS"):
            limit, _ = resource.getrlimit(getattr(resource, name))
            if limit != resource.RLIM_INFINITY:
                bounds.append(limit)
    return min(bounds)


def system_usage(path: Path) -> Fields:
    """Return every declared field of a `system` event, except those of GPUs and torch.

    The CPU percentages cover the time since the last call from the same thread; those of the first
    call are meaningless. Network traffic covers all interfaces, including loopback.

    Args:
        path: Where the logs are written, for `disk_free_bytes`. If it doesn't exist yet, its
            nearest existing parent is used.
    """
    return _gather(
        _process_memory,
        _machine_memory,
        _process_cpu,
        _machine_cpu,
        partial(_disk_free, path),
        _disk_traffic,
        _network_traffic,
    )


def torch_memory() -> dict[str, int]:
    """Return `torch/<i>/allocated_bytes`, `/reserved_bytes` and `/peak_bytes` of each CUDA device.

    Empty unless torch is loaded and has initialized CUDA; this function does neither. The numbers
    are those of the allocator, so reading them doesn't wait for a GPU. The peak is the peak of
    allocated memory.
    """
    if _watched_torch_memory is not None:
        return _watched_torch_memory
    cuda = sys.modules.get("torch.cuda")
    is_initialized = getattr(cuda, "is_initialized", None)  # missing while torch is being imported
    if cuda is None or is_initialized is None or not is_initialized():
        return {}
    fields: dict[str, int] = {}
    for index in range(cuda.device_count()):
        stats = cuda.memory_stats(index)
        fields[f"torch/{index}/allocated_bytes"] = stats.get("allocated_bytes.all.current", 0)
        fields[f"torch/{index}/reserved_bytes"] = stats.get("reserved_bytes.all.current", 0)
        fields[f"torch/{index}/peak_bytes"] = stats.get("allocated_bytes.all.peak", 0)
    return fields


_watched_id: int | None = None
_watched_torch_memory: dict[str, int] | None = None


def watch_process(process_id: int) -> None:
    """Measure another process, the training process, from now on."""
    global _watched_id, _watched_torch_memory
    _watched_id, _watched_torch_memory = process_id, {}


def watched_process_id() -> int:
    """Return the id of the process that is measured."""
    return os.getpid() if _watched_id is None else _watched_id


def note_torch_memory(fields: dict[str, int]) -> None:
    """Store what `torch_memory` returned in the watched process, for later calls in this one."""
    global _watched_torch_memory
    _watched_torch_memory = fields


_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


def is_shortage(error: BaseException) -> bool:
    """Whether an error is a shortage of descriptors, memory or threads, which may be temporary.

    Such an error says nothing about the file being opened or read.
    """
    if isinstance(error, OSError):
        return error.errno in _SHORTAGES
    return isinstance(error, MemoryError)


def _gather(*readings: Callable[[], Fields]) -> Fields:
    import psutil

    fields: Fields = {}
    for read in readings:
        # What psutil raises if a value is denied, missing in this kernel, or inconsistent in /proc.
        with suppress(psutil.Error, OSError, RuntimeError, ValueError):
            fields.update(read())
    return fields


@lru_cache(maxsize=1)
def _process(pid: int) -> psutil.Process:
    """Return the handle of a process. Cached: CPU usage is measured from its last reading."""
    import psutil

    return psutil.Process(pid)


def _process_memory() -> Fields:
    return {"process_memory_bytes": _process(watched_process_id()).memory_info().rss}


def _machine_memory() -> Fields:
    import psutil

    memory = psutil.virtual_memory()
    return {"memory_used_bytes": memory.used, "memory_total_bytes": memory.total}


def _process_cpu() -> Fields:
    return {"process_cpu_percent": _process(watched_process_id()).cpu_percent()}


def _machine_cpu() -> Fields:
    import psutil

    return {"cpu_percent": psutil.cpu_percent()}


def _disk_free(path: Path) -> Fields:
    path = path.absolute()
    existing = next((folder for folder in (path, *path.parents) if folder.exists()), path)
    return {"disk_free_bytes": shutil.disk_usage(existing).free}


def _disk_traffic() -> Fields:
    process = _process(watched_process_id())
    if not hasattr(process, "io_counters"):  # macOS
        return {}
    traffic = process.io_counters()
    return {"disk_read_bytes": traffic.read_bytes, "disk_written_bytes": traffic.write_bytes}


def _network_traffic() -> Fields:
    import psutil

    traffic = psutil.net_io_counters()
    if traffic is None:  # the machine has no network interface
        return {}
    return {"network_sent_bytes": traffic.bytes_sent, "network_received_bytes": traffic.bytes_recv}


def above_standard_streams(descriptor: int) -> int:
    """Return a descriptor above 2: a duplicate of 0, 1 or 2, which is closed, or the given one.

    A process whose standard streams are closed gets these numbers for its next files. Whatever
    prints to standard output or error would write into them.
    """
    if descriptor > 2 or sys.platform == "win32":
        return descriptor
    import fcntl

    duplicate: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return duplicate
