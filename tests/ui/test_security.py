"""Who is answered, with which headers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

import logflume.ui

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("httpx", reason="httpx, which Starlette's test client needs, is not installed")

_STATIC = Path(logflume.ui.__file__).parent / "static"


def client_of(runs: Path, token: str | None = None, host: str = "127.0.0.1") -> Any:
    from starlette.testclient import TestClient

    from logflume.ui.app import create_app

    return TestClient(create_app([runs], token), base_url=f"http://{host}:6008")


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/runs", "/nothing"])
def test_every_answer_has_the_policy(runs: Path, path: str) -> None:
    """No script, style or connection but this server's own is allowed, also on errors."""
    headers = client_of(runs).get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert "nosniff" == headers["x-content-type-options"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_is_answered(runs: Path, method: str) -> None:
    """No other method reaches the application."""
    assert 405 == client_of(runs).request(method, "/api/runs").status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.nip.io", 403),
    ],
)
def test_the_host_is_checked(runs: Path, host: str, status: int) -> None:
    """A foreign name that points to this machine reads nothing."""
    assert status == client_of(runs, host=host).get("/api/runs").status_code


def test_other_pages_get_no_answer(runs: Path) -> None:
    """A request that a page elsewhere makes is refused, but a link to the page works."""
    headers = {"sec-fetch-site": "cross-site"}

    assert 403 == client_of(runs).get("/api/runs", headers=headers).status_code
    assert 200 == client_of(runs).get("/", headers=headers).status_code


def test_elsewhere_the_token_is_required(runs: Path) -> None:
    """Nothing is answered without the token, and the URL that has it becomes a cookie."""
    client = client_of(runs, token="right", host="server.example")

    assert 403 == client.get("/").status_code
    assert 403 == client.get("/api/runs?token=wrong").status_code
    opened = client.get("/?token=right", follow_redirects=False)
    assert (303, "/") == (opened.status_code, opened.headers["location"])
    assert "HttpOnly; SameSite=Strict" in opened.headers["set-cookie"]
    assert 200 == client.get("/api/runs").status_code


def test_vendored_files_are_on_record() -> None:
    """Each vendored file has the checksum in the list, so it is the published one."""
    listed = (_STATIC / "vendor" / "VENDOR.md").read_text()
    recorded = dict(re.findall(r"^\| `([\w.-]+)` .*`([0-9a-f]{64})`", listed, re.MULTILINE))
    files = {p.name: p for p in (_STATIC / "vendor").iterdir() if p.suffix in (".js", ".css")}

    assert {
        name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in files.items()
    } == recorded
