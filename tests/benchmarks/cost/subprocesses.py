"""Child processes of the benchmark: offline, single-threaded BLAS, with a timeout."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.cost.gpu_stub import gpu_stub
from tests.benchmarks.cost.measurement import Measurement

__all__ = ["import_s", "run_measurement", "run_module"]

_ROOT = Path(__file__).parents[3]
_OVERHEAD_S = 120.0
"""How much longer than its measurement a process may run, to import, open and close."""

_OFFLINE = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "AIM_UI_TELEMETRY_ENABLED": "0",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def _environment(home: Path) -> dict[str, str]:
    """Return the environment of a process. Its home is `home`, so it finds no credentials."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ
    }
    stub = gpu_stub()
    gpu = {} if stub is None else {"LD_LIBRARY_PATH": str(stub)}
    own = {"HOME": str(home), "PYTHONPATH": str(_ROOT)}
    return {**inherited, **_OFFLINE, **_ONE_THREAD, **gpu, **own}


def run_measurement(name: str, measurement: Measurement) -> dict[str, Any]:
    """Measure a peer in a process of its own; see `measure_peer.measure`.

    Raises:
        RuntimeError: The process failed; the message is the last line of its output.
    """
    arguments = [name, measurement.to_json()]
    timeout_s = measurement.seconds + _OVERHEAD_S
    return run_module("tests.benchmarks.cost.measure_peer", arguments, timeout_s)


def run_module(module: str, arguments: list[str], timeout_s: float) -> dict[str, Any]:
    """Run a module as a program, and return the JSON object that it writes.

    Args:
        module: Its last two arguments are a folder to work in and the path of the result.
        arguments: The arguments before these.
        timeout_s: How long it may run.

    Raises:
        RuntimeError: The process failed or timed out. Its descendants are killed, too.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as root:
        folder, result, output = (Path(root, name) for name in ("data", "result", "output"))
        folder.mkdir()
        command = [sys.executable, "-m", module, *arguments, str(folder), str(result)]
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=root,
                env=_environment(Path(root)),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"did not end within {timeout_s:.0f} s") from None
            finally:
                _end_session(process)
        if not result.exists():
            lines = output.read_text(errors="replace").strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"exit code {process.returncode}")
        content: dict[str, Any] = json.loads(result.read_text())
        return content


def import_s(imports: str) -> float:
    """Return how many seconds an import takes in a fresh interpreter.

    Args:
        imports: The modules, separated by commas.

    Raises:
        RuntimeError: The import failed.
    """
    program = (
        f"import time\nstarted_s = time.perf_counter()\nimport {imports}\n"
        "print('took', time.perf_counter() - started_s)"
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            cwd=root,
            env=_environment(Path(root)),
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout.rpartition("took ")[2])


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all that are left of its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
