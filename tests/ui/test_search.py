"""The search over all steps: it finds what `run.outputs` does, in pieces, and stops when it may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.query.newest_first import OutputsPiece
from logflume.query.open_run import Run
from tests.ui.hostile_run import CONFIG
from tests.ui.streams import pieces_of, read_hits

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("httpx", reason="httpx, which Starlette's test client needs, is not installed")

OLD_STEPS = 40
NEWEST = 400
"""Completions of the newest step. Pieces are sized by it, so the older steps are several pieces."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run whose newest step has most of its completions."""
    folder = tmp_path_factory.mktemp("searched")
    logflume.initialize(CONFIG, run="long", dir=folder)
    model = logflume.get_model_logger()
    for step in (*range(1, OLD_STEPS + 1), *[OLD_STEPS + 1] * NEWEST):
        model.info("model_output", step=step, id=f"{step}", model_output=f"Straße {step} of many")
    model.info("model_output", id="none", model_output="of no step")
    logflume.shutdown()
    return folder


@pytest.fixture(scope="module")
def app(folder: Path) -> Any:
    from logflume.ui.app import create_app

    return create_app([folder])


@pytest.fixture(scope="module")
def client(app: Any) -> Iterator[Any]:
    from starlette.testclient import TestClient

    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def read_pages(client: Any, **params: Any) -> Iterator[list[Any]]:
    """Yield the hits of each page of a search."""
    place: dict[str, Any] | None = {}
    while place is not None:
        query = {"run": "long", "last": place.get("step"), "skip": place.get("skip"), **params}
        text = client.get("/api/search", params={k: v for k, v in query.items() if v}).text
        pieces = pieces_of(text)
        yield [hit for piece in pieces for hit in piece["hits"]]
        place = pieces[-1]["next"]


@pytest.mark.parametrize(
    "params",
    [{"search": "OF MANY"}, {"where": "step is not null"}, {"search": "[1-3] of", "regex": "1"}],
)
def test_pages_have_each_match_once(client: Any, folder: Path, params: dict[str, Any]) -> None:
    """All pages together are what `run.outputs` returns, the newest steps first."""
    wanted = {**params, "regex": "regex" in params}
    expected = logflume.open_run(folder / "long").outputs(**wanted, columns=["step", "seq"])

    pages = list(read_pages(client, **params))

    steps = [hit["step"] for page in pages for hit in page]
    assert sorted(expected["step"].to_pylist(), reverse=True) == steps
    assert {50} == {len(page) for page in pages[:-1]}


def test_completions_without_a_step_come_last(client: Any) -> None:
    """They are found as well, and the search has then gone through all steps."""
    pieces = pieces_of(client.get("/api/search", params={"run": "long", "search": "of no"}).text)

    assert ["none"] == [hit["id"] for piece in pieces for hit in piece["hits"]]
    assert OLD_STEPS + 2 == pieces[-1]["searched"] == pieces[-1]["total"]
    assert not pieces[-1]["more"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"search": "STRASSE"}, ""),
        ({"search": "straße"}, "Straße"),
        ({"search": "S.r", "regex": "1"}, "Str"),
    ],
)
def test_a_snippet_shows_what_was_found(client: Any, params: dict[str, Any], found: str) -> None:
    """The server says where the text was found, so the page runs no pattern."""
    hits = read_hits(client, run="long", **params)

    assert {found} == {hit["text"]["found"] for hit in hits} if found else hits == []


def test_a_search_stops_after_enough_hits(client: Any) -> None:
    """Nothing is read for hits that are not shown."""
    pieces = pieces_of(client.get("/api/search", params={"run": "long", "search": "many"}).text)

    assert 1 == len(pieces)
    assert pieces[0]["searched"] < pieces[0]["total"]


def test_a_search_that_nobody_reads_ends(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the client goes away, the server reads no further pieces of the run."""
    read: list[OutputsPiece] = []
    original = Run.iter_outputs

    def counting(self: Any, **arguments: Any) -> Iterator[OutputsPiece]:
        for piece in original(self, **arguments):
            read.append(piece)
            yield piece

    monkeypatch.setattr(Run, "iter_outputs", counting)

    asyncio.run(_request(app, "run=long&search=nothing", leaves=False))
    pieces = len(read)
    read.clear()
    asyncio.run(_request(app, "run=long&search=nothing", leaves=True))

    assert pieces >= 5
    assert len(read) <= 3


async def _request(app: Any, query: str, *, leaves: bool) -> None:
    """Request a search. A client that leaves disconnects as soon as anything has arrived."""
    has_left = asyncio.Event()
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if leaves and message.get("body"):
            has_left.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/search",
        "raw_path": b"/api/search",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
