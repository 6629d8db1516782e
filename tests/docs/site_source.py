"""Writes what the documentation site is built from: the pages in `docs/`, and generated ones.

    python -m tests.docs.site_source

writes to `build/docs`, where `mkdocs.yml` expects it. Pages link to files of the repository as
GitHub shows them (`../CONTRIBUTING.md`). On the site, such a link leads to the page that is made
of the file, or becomes the path as text."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.docs.commands_page import commands_page
from tests.docs.configuration_page import configuration_page
from tests.docs.events_page import events_page
from tests.docs.python_page import python_page

__all__ = ["GENERATED", "ROOT", "SOURCE", "write_source"]

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "build" / "docs"

GENERATED = {
    "reference/configuration.md": configuration_page,
    "reference/events.md": events_page,
    "reference/commands.md": commands_page,
    "reference/python.md": python_page,
}
"""The pages that state what the code declares, and the functions that return them."""

_FILES = {
    "CHANGELOG.md": "reference/changelog.md",
    "CONTRIBUTING.md": "reference/contributing.md",
    "README.md": "index.md",
    "SECURITY.md": "reference/security.md",
}
"""Files of the repository, and their pages on the site."""

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)]*)?\)")


def write_source(folder: Path = SOURCE) -> None:
    """Write the source of the site to a folder, and replace what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    for page in sorted(folder.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(_relink(text, ROOT / "docs", page.name), encoding="utf-8")
    (folder / "reference").mkdir()
    for name, page_name in _FILES.items():
        if page_name.startswith("reference/"):
            text = (ROOT / name).read_text(encoding="utf-8")
            (folder / page_name).write_text(_relink(text, ROOT, page_name), encoding="utf-8")
    for page_name, generate in GENERATED.items():
        (folder / page_name).write_text(generate(), encoding="utf-8")


def _relink(text: str, folder: Path, page: str) -> str:
    """Return a text with links relative to `folder` as a page of the site has them."""
    up = "../" * page.count("/")

    def replace(link: re.Match[str]) -> str:
        label, target, anchor = link[1], link[2], link[3] or ""
        path = (folder / target).resolve()
        if not path.exists() or not path.is_relative_to(ROOT):
            return link[0]  # a generated page, or an error that the strict build reports
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("docs/"):
            return f"[{label}]({up}{name.removeprefix('docs/')}{anchor})"
        if name in _FILES:
            return f"[{label}]({up}{_FILES[name]}{anchor})"
        return label if name in label else f"{label} (`{name}`)"

    return _LINK.sub(replace, text)


if __name__ == "__main__":
    write_source()
