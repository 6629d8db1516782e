"""A description of the machine and the library versions, without host or user names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.cost.gpu_stub import gpu_stub
from tests.benchmarks.peers.peer_list import PEERS, version

__all__ = ["describe", "versions"]

_SHARED = ("protobuf", "pyarrow", "numpy")
"""Dependencies of several peers; their versions are those that all of these peers accept."""


def describe() -> dict[str, str | int]:
    """Return processor, cores, memory, GPU, operating system, Python and date."""
    return {
        "cpu": _first_match("/proc/cpuinfo", r"^model name\s*: (.+)$") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(
            int(_first_match("/proc/meminfo", r"^MemTotal:\s*(\d+) kB$") or 0) / 2**20
        ),
        "gpu": "none" if gpu_stub() is None else "a stub of its driver library",
        "os": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def versions() -> dict[str, str]:
    """Return the version of each measured library, by the name of its distribution."""
    all_versions = {spec.package: version(name) for name, spec in PEERS.items()}
    all_versions |= {name: importlib.metadata.version(name) for name in _SHARED}
    return {name: text for name, text in sorted(all_versions.items()) if text is not None}


def _first_match(path: str, pattern: str) -> str | None:
    try:
        match = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        return None
    return match[1].strip() if match else None
