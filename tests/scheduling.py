"""How pytest-xdist divides the tests among its workers."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

TOGETHER = {
    "tests/demo/test_demo.py": "demo",
    "tests/demo/test_readers_agree.py": "demo",
    "tests/test_notebooks.py": "demo",
    "tests/training/test_alerts.py": "demo",
    "tests/test_packaging.py": "wheel",
}
"""Files whose tests share a costly fixture, and what they share. One worker runs them, so that the
fixture is set up once. They come first, because they take longest."""


class SharedFixturesScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out one test at a time, and the tests that belong together as one."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)
