"""Chromium for the tests of the page, and the server as the command starts it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Start the command on a folder of runs, and yield its address."""
    command = [sys.executable, "-m", "logflume", "ui", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = (re.search(r"http://\S+/(?=#)", line) for line in process.stdout)
        try:
            yield next(found for found in lines if found)[0]
        finally:
            process.terminate()


class Page:
    """A page, with what the browser reported about it."""

    def __init__(self, browser: Any, address: str) -> None:
        self.tab = browser.new_page()
        self._address = address
        self.urls: list[str] = []
        self.errors: list[str] = []
        self.tab.on("request", lambda request: self.urls.append(request.url))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda line: self._add(line))

    def _add(self, line: Any) -> None:
        if line.type == "error":
            self.errors.append(line.text)

    def open(self, view: str, selector: str) -> Any:
        """Open a view, and return what has appeared in it."""
        self.tab.goto(self._address + view)
        self.tab.wait_for_selector(selector)
        return self.tab.locator(selector)
