"""Fixtures that run the GPU scenarios against a stub of NVML."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

HERE = Path(__file__).parent
STUB = HERE.parent / "stubs" / "nvml_stub.c"
LIBRARY = "libnvidia-ml.so.1"


class RunScenario(Protocol):
    """Runs a function of `gpu_scenarios.py` in a separate process."""

    def __call__(self, name: str, *arguments: Any, library: Path | None = None) -> Any: ...


def compile_stub(folder: Path, *flags: str) -> Path:
    """Compile the stub of NVML into a folder and return the folder; skip without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("the NVML stub requires a C compiler")
    command = [compiler, "-Wall", "-Werror", "-shared", "-fPIC", *flags, str(STUB)]
    subprocess.run([*command, "-o", str(folder / LIBRARY)], check=True)
    return folder


@pytest.fixture(scope="session")
def nvml_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stub of a current driver."""
    return compile_stub(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_nvml_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stub of a driver before version 535."""
    return compile_stub(tmp_path_factory.mktemp("old_nvml"), "-DOLD_DRIVER")


@pytest.fixture
def broken_library(tmp_path: Path) -> Path:
    """A folder with a library that can't be loaded, which also hides a real one."""
    (tmp_path / LIBRARY).write_bytes(b"")
    return tmp_path


@pytest.fixture(scope="session")
def run_scenario(nvml_stub: Path) -> RunScenario:
    """Run a function of `gpu_scenarios.py` in a process that loads the stub; return its result."""

    def run(name: str, *arguments: Any, library: Path | None = None) -> Any:
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library or nvml_stub)}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        result = subprocess.run(
            [sys.executable, str(HERE / "gpu_scenarios.py"), name, json.dumps(arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (0, "") == (result.returncode, result.stderr)
        return json.loads(result.stdout)

    return run
