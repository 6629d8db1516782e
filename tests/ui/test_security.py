"""Who is answered, with which headers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import logflume.ui
from tests.ui.clients import client_of

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("httpx", reason="httpx, which Starlette's test client needs, is not installed")

_STATIC = Path(logflume.ui.__file__).parent / "static"


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


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/../app.py",
            "/%2e%2e/app.py",
            "/..%2fapp.py",
            "/..%5capp.py",
            "/%2e%2e%2f%2e%2e%2fapp.py",
        ),
        *("//etc/passwd", "/%2fetc%2fpasswd", "/etc/passwd", "/./../app.py", "/lib/../../app.py"),
        *("/app.js%00.py", "/%00", "/static/../app.py", "/con", "/" + "a" * 5_000),
        *("/api/../app.py", "/api/run/../../app.py", "/api/", "/api/nothing", "/api/run%2f"),
    ],
)
def test_no_path_leads_out_of_the_page(runs: Path, path: str) -> None:
    """Whatever a path is encoded as, only the files of the page are answered."""
    answer = client_of(runs).get(f"http://127.0.0.1:6008{path}")

    assert 404 == answer.status_code
    assert "import" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "where",
    [
        "1; copy (select 1) to '{file}'",
        "exists (select * from read_text('/etc/passwd'))",
        "model_output = (select content from read_text('/etc/passwd'))",
        "true) union all select * from read_csv('/etc/passwd') --",
        "step in (select 1 from 'http://127.0.0.1:9/x.parquet')",
        "1; attach '{file}' as x",
        "1; set enable_external_access = true",
        "getenv('HOME') is not null",
    ],
)
@pytest.mark.parametrize("view", ["groups", "search"])
def test_a_condition_reads_and_writes_no_file(
    runs: Path, tmp_path: Path, where: str, view: str
) -> None:
    """SQL in a request is one condition on the completions of the run."""
    file = tmp_path / "written"
    params = {"run": "hostile", "step": "2", "where": where.format(file=file)}

    answer = client_of(runs).get(f"/api/{view}", params=params)

    assert 422 == answer.status_code
    assert answer.json()["error"]
    assert "root:" not in answer.text
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("view", "params"),
    [
        ("search", {"search": "(y+)+$", "regex": "1"}),
        ("search", {"search": "(.*){50}z", "regex": "1"}),
        ("search", {"search": "y{1000}{1000}", "regex": "1"}),
        ("search", {"search": "x" * 60_000}),
        ("search", {"search": "a|" * 5_000, "regex": "1"}),
        ("search", {"search": "\0\ud7ff\U0010ffff"}),
        ("search", {"last": "9" * 30}),
        ("search", {"last": "9223372036854775807", "skip": "-9"}),
        ("groups", {"step": "9" * 5_000}),
        ("groups", {"step": "-1", "min": "nan", "max": "1e999"}),
        ("groups", {"step": "2", "reward": "model_output", "min": "0"}),
        ("groups", {"step": "2", "mode": "<script>"}),
        ("curves", {"name": "x" * 60_000}),
        ("curves", {"name": "*"}),
        ("prompts", {"solved": "nan", "first": "3", "last": "1"}),
        ("prompt", {"prompt": "x" * 60_000}),
        ("pass_at", {"k": "1e300"}),
        ("pass_at", {"k": "-1", "solved": "inf"}),
        ("text", {"step": "2", "id": "w-0-200", "field": "../model_output"}),
        ("run", {"run": "x" * 60_000}),
    ],
)
def test_odd_requests_are_answered(runs: Path, view: str, params: dict[str, str]) -> None:
    """No parameter makes the server fail, or take longer than the texts are long."""
    answer = client_of(runs).get(f"/api/{view}", params={"run": "hostile", **params})

    assert answer.status_code in (200, 404, 422), answer.text
    assert "Traceback" not in answer.text


def test_vendored_files_are_on_record() -> None:
    """Each vendored file has the checksum in the list, so it is the published one."""
    listed = (_STATIC / "vendor" / "VENDOR.md").read_text()
    recorded = dict(re.findall(r"^\| `([\w.-]+)` .*`([0-9a-f]{64})`", listed, re.MULTILINE))
    files = {p.name: p for p in (_STATIC / "vendor").iterdir() if p.suffix in (".js", ".css")}

    assert {
        name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in files.items()
    } == recorded
