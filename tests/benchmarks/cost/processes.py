"""Processes of this benchmark: offline, with one thread for the matrix products, and timed out."""

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

from tests.benchmarks.cost.measurement import Measurement

__all__ = ["import_s", "run", "run_module"]

_ROOT = Path(__file__).parents[3]
_PATIENCE_S = 120.0
"""What a process may take beyond the seconds of its measurement: imports, opening, closing."""

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
    """Return the environment of a process whose home is a folder of ours: it finds no account."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ
    }
    return {**inherited, **_OFFLINE, **_ONE_THREAD, "HOME": str(home), "PYTHONPATH": str(_ROOT)}


def run(name: str, what: Measurement) -> dict[str, Any]:
    """Measure a peer in a process of its own.

    Raises:
        RuntimeError: It failed; the text is the last line that it printed.
    """
    arguments = [name, what.to_json()]
    return run_module("tests.benchmarks.cost.one", arguments, what.seconds + _PATIENCE_S)


def run_module(module: str, arguments: list[str], patience_s: float) -> dict[str, Any]:
    """Run a module that takes a folder and the path of its result as last arguments.

    Raises:
        RuntimeError: It failed, or took too long. Whatever it has started is ended, too.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as place:
        folder, result, printed = (Path(place, name) for name in ("data", "result", "printed"))
        folder.mkdir()
        command = [sys.executable, "-m", module, *arguments, str(folder), str(result)]
        with printed.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=place,
                env=_environment(Path(place)),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"did not end within {patience_s:.0f} s") from None
            finally:
                _end_session(process)
        if not result.exists():
            lines = printed.read_text(errors="replace").strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"ended with {process.returncode}")
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def import_s(imports: str) -> float:
    """Return the seconds that an import takes in a fresh interpreter.

    Raises:
        RuntimeError: It can't be imported.
    """
    program = (
        f"import time\nstarted_s = time.perf_counter()\nimport {imports}\n"
        "print('took', time.perf_counter() - started_s)"
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            cwd=place,
            env=_environment(Path(place)),
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout.rpartition("took ")[2])


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End what the process left behind, if it is of the same session, and the process itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
