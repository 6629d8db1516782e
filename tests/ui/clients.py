"""A client of the server's application, within the process of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def client_of(folder: Path, token: str | None = None, host: str = "127.0.0.1") -> Any:
    """Return Starlette's test client of an application that serves a folder of runs."""
    from starlette.testclient import TestClient

    from logflume.ui.app import create_app

    return TestClient(create_app([folder], token), base_url=f"http://{host}:6008")
