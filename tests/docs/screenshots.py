"""Draws the pictures of the console and of the page, from a run of the demo.

    python -m tests.docs.screenshots [RUN]

runs the demo on a pseudo-terminal and writes `docs/pictures/console.svg`; then it opens the page of
the run, or of the given one, in Chromium, and writes `docs/pictures/page-{light,dark}.png`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

__all__ = ["console_svg", "screen_lines"]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

_ROWS, _COLUMNS = 28, 110


def main(run: Path | None) -> None:
    """Write the pictures; without a run, those of the console, too."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if run is None:
            printed = _run_demo(Path(folder))
            (PICTURES / "console.svg").write_text(console_svg(printed), encoding="utf-8")
            run = Path(folder, "logs", "latest").resolve()
        _photograph(run)


def screen_lines(printed: str) -> list[str]:
    """Return the lines that a terminal shows, without those of progress bars.

    Each line is what was printed after its last carriage return. A progress bar has no line of its
    own: it stays at the bottom.
    """
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in printed.split("\n")[:-1]]
    return [line for line in lines if line.strip() and not re.match(r" *\d+%\|", line)]


def console_svg(printed: str) -> str:
    """Return the first lines of what the demo prints as SVG, which loads no font."""
    console = Console(width=_COLUMNS, record=True, file=StringIO(), force_terminal=True)
    for line in ["$ logflume demo", *screen_lines(printed)][:_ROWS]:
        console.print(Text.from_ansi(line), soft_wrap=True)
    svg = console.export_svg(title="logflume", unique_id="logflume")
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def _run_demo(folder: Path) -> str:
    """Run the demo on a pseudo-terminal, and return what it prints."""
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "TERM": "xterm-256color", "PATH": binaries}
    with subprocess.Popen(
        [sys.executable, "-m", "logflume", "demo"],
        cwd=folder,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ):
        os.close(terminal)
        printed = b""
        with suppress(OSError):  # EIO: the demo has ended
            while chunk := os.read(reader, 65_536):
                printed += chunk
    os.close(reader)
    return printed.decode()


def _photograph(run: Path) -> None:
    """Write the pictures of the page of a run."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "logflume", "ui", str(run), "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout is not None
        found = (re.search(r"http://\S+", line) for line in server.stdout)
        address = next(match for match in found if match)[0]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            tab = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
            tab.goto(address)
            tab.wait_for_selector("[data-metric]")
            tab.wait_for_load_state("networkidle")
            tab.screenshot(path=PICTURES / f"page-{scheme}.png")
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
