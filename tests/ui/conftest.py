"""What the tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ui.browser import CHROMIUM
from tests.ui.hostile_run import log_hostile_run
from tests.ui.rich_runs import log_rich_runs


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Its event loop runs until it is closed, so that other modules have their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def rich_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs that have something to show in every view."""
    return log_rich_runs(tmp_path_factory.mktemp("rich"))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hostile run, an empty and a damaged one, and a link that leads outside.

    The link `latest` to the hostile run is there as well.
    """
    folder = tmp_path_factory.mktemp("runs")
    outside = tmp_path_factory.mktemp("outside")
    run = log_hostile_run(folder)
    (folder / "empty").mkdir()
    (folder / "empty" / "events.jsonl").touch()
    (folder / "damaged").mkdir()
    lines = (run / "events.jsonl").read_bytes().splitlines(keepends=True)
    torn = b'{"timestamp":"2026-01-01T00:00:00.000000Z","event":"training",oops\n'
    (folder / "damaged" / "events.jsonl").write_bytes(b"".join([*lines, torn]))
    (outside / "secret").mkdir()
    (outside / "secret" / "events.jsonl").write_bytes(lines[0].replace(b'"hostile"', b'"secret"'))
    (folder / "link").symlink_to(outside / "secret")
    return folder
