"""Executes the notebooks and stores them with their outputs.

    python -m tests.notebooks [PREFIX …]

executes each notebook, or those whose names start with a prefix, in the current folder, which must
contain the runs that they read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Execute all cells of a notebook in a folder, and add their outputs to it.

    Raises:
        CellExecutionError: A cell raised.
    """
    client = NotebookClient(
        notebook,
        timeout=600,
        record_timing=False,  # timings would change the metadata with each execution
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()


def main(names: list[str]) -> None:
    """Execute and store the notebooks whose name starts with one of `names`; none given: all."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if path.name.startswith(tuple(names) or ""):
            notebook = nbformat.read(path, as_version=4)
            execute(notebook, Path.cwd())
            notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
