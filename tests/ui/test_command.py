"""The command `logflume ui` where it can't serve."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import check_error

_WITHOUT_EXTRA = """
import sys
sys.modules["uvicorn"] = None
sys.argv = ["logflume", "ui", "."]
from logflume.cli import main
main()
"""


def test_without_its_extra_one_line_says_how_to_install_it(tmp_path: Path) -> None:
    """The error names the extra, and is no traceback."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_EXTRA], cwd=tmp_path, capture_output=True, text=True
    )

    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "pip install 'logflume[ui]'" in done.stderr


def test_a_port_in_use_is_an_error(runs: Path) -> None:
    """The error names the address, and the options that help."""
    pytest.importorskip("uvicorn", reason="the extra `ui` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "logflume", "ui", str(runs), "--port", port],
            capture_output=True,
            text=True,
        )

    assert 1 == done.returncode
    assert f"127.0.0.1:{port} can't be used" in done.stderr
    assert "--port 0" in done.stderr


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    """A path that doesn't exist is an error before anything is served."""
    pytest.importorskip("uvicorn", reason="the extra `ui` is not installed")
    assert "nothing-here" in check_error(tmp_path, "ui", "nothing-here")
