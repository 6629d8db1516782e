"""The documentation site: a strict build finds every broken link, reference and anchor."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from logflume.events.catalogue import CATALOGUE
from tests.docs.site_source import ROOT, write_source

pytest.importorskip("material", reason="the extra `docs` is not installed")
pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does, but elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    write_source(folder / "docs")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings.replace("build/docs", str(folder / "docs"))
    settings = settings.replace("build/site", str(folder / "site"))
    settings = settings.replace("[src]", f"['{ROOT / 'src'}']")
    settings = settings.replace("[tests/docs", f"[{ROOT / 'tests' / 'docs'}")
    (folder / "mkdocs.yml").write_text(settings, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--config-file",
            folder / "mkdocs.yml",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


class _Loaded(HTMLParser):
    """The addresses that a page loads: all but those of links that a reader follows."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag != "a" and not (
            tag == "link" and values.get("rel") in ("canonical", "next", "prev")
        ):
            self.addresses += [values.get(name) or "" for name in ("src", "href", "srcset")]


def test_pages_load_nothing_from_other_origins(site: Path) -> None:
    """Fonts, scripts and pictures are files of the site."""
    for page in site.rglob("*.html"):
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert [address for address in loaded.addresses if re.match(r"\w+:|//", address)] == []


def test_the_references_are_complete(site: Path) -> None:
    """The event reference has every declared type, that of the commands every command."""
    events = (site / "reference" / "events.html").read_text(encoding="utf-8")
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    python = (site / "reference" / "python.html").read_text(encoding="utf-8")

    assert [name for name in CATALOGUE if f'id="{name}"' not in events] == []
    for name in ("show", "doctor", "runs-rm", "import", "config-check"):
        assert f'id="logflume-{name}"' in commands
    for name in ("initialize", "open_run", "attach", "capture_events", "ConfigError", "pass_at"):
        assert f">{name}<" in python
