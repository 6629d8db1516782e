"""The notebooks: run from top to bottom, and stored with what they show.

    python -m tests.notebooks

runs each in the current folder, which has the runs that they ask for, and stores it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells of a notebook in a folder; their outputs are in it afterwards.

    Raises:
        CellExecutionError: A cell raised.
    """
    client = NotebookClient(
        notebook,
        timeout=600,
        record_timing=False,  # else each run of it differs in its metadata
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()


def main(names: list[str]) -> None:
    """Run and store those whose name begins with one of `names`; none given: all."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if path.name.startswith(tuple(names) or ""):
            notebook = nbformat.read(path, as_version=4)
            execute(notebook, Path.cwd())
            notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
