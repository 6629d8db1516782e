"""The types of the public API from a checkout; `test_packaging.py` checks those of the wheel."""

from __future__ import annotations

from pathlib import Path

from tests.typing_checks.mypy_runs import NO_ISSUES, run_mypy

SRC = Path(__file__).parents[2] / "src"

CONFIG = f"""
mypy_path = {SRC}
[mypy-torch.*,pyarrow.*]
follow_imports = skip
"""
"""Other packages that are slow to check are left out."""


def test_the_public_api(tmp_path: Path) -> None:
    """Proper uses pass, and each misspelled method is an error, also after bind, unbind and new."""
    assert NO_ISSUES == run_mypy(tmp_path, config=CONFIG)
