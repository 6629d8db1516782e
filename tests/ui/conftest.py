"""What the tests of the page share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.hostile_run import log_hostile_run


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
