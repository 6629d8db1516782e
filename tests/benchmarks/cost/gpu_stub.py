"""A stub of NVIDIA's driver library, so that GPU statistics are in the events on any machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["gpu_stub"]

_SOURCE = Path(__file__).parents[2] / "stubs" / "nvml_stub.c"


@cache
def gpu_stub() -> Path | None:
    """Compile the stub, once, and return its folder; None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="nvml-"))
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", str(_SOURCE), "-o", str(library)], check=True)
    return folder
