"""The notebooks run, on real runs of the demo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.demo.runs import DemoRun, run_demo
from tests.notebooks import NOTEBOOKS, execute
from tests.processors.conftest import compile_stub

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
MOST_BYTES = 400_000
A_FOLDER = re.compile(r"(?<![\w.<])(?:/(?:home|root|tmp|work|usr|var|opt|Users)/|[A-Z]:\\)")


@pytest.fixture(scope="module")
def hack_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """A run that pays each closing tag, and whose model finds that out."""
    return run_demo(tmp_path_factory.mktemp("hack"), "--lenient-format")


@pytest.fixture(scope="module")
def gpu_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """A short run on a machine whose driver, a stub, tells of three GPUs."""
    stub = compile_stub(tmp_path_factory.mktemp("nvml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", str(stub))
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return run_demo(tmp_path_factory.mktemp("gpu"), "--steps", "8")


@pytest.fixture(scope="module")
def executed(demo_run: DemoRun, hack_run: DemoRun) -> dict[Path, nbformat.NotebookNode]:
    """All notebooks as they come out when they are run where the demo was."""
    notebooks = {path: nbformat.read(path, as_version=4) for path in PATHS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGFLUME_HACK_FOLDER", str(hack_run.folder))
        patch.setenv("LOGFLUME_NOTEBOOK_RUNS", "40")
        for notebook in notebooks.values():
            execute(notebook, demo_run.folder.parent.parent)
    return notebooks


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, executed: dict[Path, nbformat.NotebookNode]) -> None:
    """Executed from top to bottom a notebook shows the plots that are stored, and no warnings."""
    stored = nbformat.read(path, as_version=4)
    assert plots(stored) == plots(executed[path]) > 0
    assert [] == faults(executed[path])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_is_stored(path: Path) -> None:
    """A stored notebook was executed once from top to bottom, and is small; its outputs have no
    warnings, no errors and no folders of a machine."""
    stored = nbformat.read(path, as_version=4)
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert list(range(1, len(counts) + 1)) == counts
    assert path.stat().st_size < MOST_BYTES
    assert [] == faults(stored)


def test_the_hack_is_seen(executed: dict[Path, nbformat.NotebookNode]) -> None:
    """The notebook on completions shows the alert of a hacked run, and the tag that it repeats;
    what the model wrote reaches the page escaped."""
    notebook = executed[NOTEBOOKS / "02_completions.ipynb"]
    assert any("reward_with_truncation" in text for text in texts(notebook, "text/plain"))
    tables = "".join(texts(notebook, "text/html"))
    assert "&lt;/answer&gt;&lt;/answer&gt;" in tables
    assert "</answer>" not in tables


def test_plain_duckdb_agrees(executed: dict[Path, nbformat.NotebookNode]) -> None:
    """The notebook on many runs gets the same numbers from logflume and from the files alone."""
    said = "".join(texts(executed[NOTEBOOKS / "04_duckdb_at_scale.ipynb"], "text/plain"))
    assert "The same numbers: True" in said
    assert "The same number of values: True (2,400)" in said


def test_a_run_with_gpus(gpu_run: DemoRun, executed: dict[Path, nbformat.NotebookNode]) -> None:
    """Of a run on GPUs the notebook on the system has one plot more than of a run on CPUs."""
    path = NOTEBOOKS / "03_system.ipynb"
    notebook = nbformat.read(path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGFLUME_RUN_FOLDER", str(gpu_run.folder))
        execute(notebook, gpu_run.folder.parent.parent)
    assert plots(executed[path]) + 1 == plots(notebook)
    assert [] == faults(notebook)
    assert "No GPU in this run" in "".join(texts(executed[path], "text/plain"))
    assert "No GPU in this run" not in "".join(texts(notebook, "text/plain"))


def outputs(notebook: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """Yield the outputs of all cells."""
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def texts(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Return what the outputs say as plain text, or as HTML; printed text is plain."""
    return [
        output.text if output.output_type == "stream" else output.data.get(kind, "")
        for output in outputs(notebook)
        if output.output_type != "error" and (output.output_type != "stream" or "plain" in kind)
    ]


def plots(notebook: nbformat.NotebookNode) -> int:
    """Return how many pictures the outputs of a notebook hold."""
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what should be in no output: errors, warnings, folders of a machine."""
    bad = [
        str(output)
        for output in outputs(notebook)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    said = [*texts(notebook, "text/plain"), *texts(notebook, "text/html")]
    return bad + [text for text in said if A_FOLDER.search(text)]
