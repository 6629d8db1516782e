"""A browser that opens and closes the page on command, in a process of its own.

    python -m tests.benchmarks.page.viewer http://127.0.0.1:6008/#/run/name

Each line of its input, `open` or `close`, is answered with the same line once it is done.
"""

from __future__ import annotations

import shutil
import sys

from playwright.sync_api import sync_playwright

_CLOSED = "about:blank"


def main() -> None:
    """Follow the commands until the input ends."""
    url = sys.argv[1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page()
        print("ready", flush=True)
        for line in sys.stdin:
            tab.goto(url if line.strip() == "open" else _CLOSED)
            if line.strip() == "open":
                tab.wait_for_selector("header")
            print(line.strip(), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
