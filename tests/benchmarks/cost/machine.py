"""What the numbers were measured on, without names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.peers.catalogue import PEERS, version

__all__ = ["describe", "versions"]

_SHARED = ("protobuf", "pyarrow", "numpy")
"""Libraries that several peers build on; their versions are a compromise between all of them."""


def describe() -> dict[str, str | int]:
    """Return processor, cores, memory, operating system, Python and date."""
    return {
        "cpu": _first("/proc/cpuinfo", r"^model name\s*: (.+)$") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_first("/proc/meminfo", r"^MemTotal:\s*(\d+) kB$") or 0) / 2**20),
        "os": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def versions() -> dict[str, str]:
    """Return the version of each library that was measured, by its distribution's name."""
    found = {entry.package: version(name) for name, entry in PEERS.items()}
    found |= {name: importlib.metadata.version(name) for name in _SHARED}
    return {name: text for name, text in sorted(found.items()) if text is not None}


def _first(path: str, pattern: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        return None
    return found[1].strip() if found else None
