"""The notebooks run, on a real run of the demo."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.demo.runs import DemoRun

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path: Path, demo_run: DemoRun) -> None:
    """Executed from top to bottom a notebook shows its plots, and it is stored with its outputs."""
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    folder = demo_run.folder.parent.parent
    NotebookClient(fresh, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    assert _plots(stored) == _plots(fresh) > 0


def _plots(notebook: nbformat.NotebookNode) -> int:
    """Return how many pictures the outputs of a notebook hold."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)
