"""The notebooks, executed on real runs of the demo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

import logflume
from tests.demo.runs import DemoRun, run_demo
from tests.notebooks import NOTEBOOKS, execute
from tests.processors.conftest import compile_stub

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
MAX_BYTES = 400_000
ABSOLUTE_PATH = re.compile(r"(?<![\w.<])(?:/(?:home|root|tmp|work|usr|var|opt|Users)/|[A-Z]:\\)")


@pytest.fixture(scope="module")
def gpu_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """A short run on a machine whose GPU driver, a stub, has three GPUs."""
    stub = compile_stub(tmp_path_factory.mktemp("nvml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", str(stub))
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return run_demo(tmp_path_factory.mktemp("gpu"), "--steps", "8")


@pytest.fixture(scope="module")
def executed(demo_run: DemoRun, hack_run: DemoRun) -> dict[Path, nbformat.NotebookNode]:
    """All notebooks, executed in the folder of the demo run."""
    notebooks = {path: nbformat.read(path, as_version=4) for path in PATHS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGFLUME_HACK_FOLDER", str(hack_run.folder))
        patch.setenv("LOGFLUME_NOTEBOOK_RUNS", "40")
        for notebook in notebooks.values():
            execute(notebook, demo_run.folder.parent.parent)
    return notebooks


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebooks_run(path: Path, executed: dict[Path, nbformat.NotebookNode]) -> None:
    """An executed notebook plots what the stored one does, or says what the run lacks for it."""
    stored = nbformat.read(path, as_version=4)
    assert plotting_cells(stored) == plotting_cells(executed[path]) | lacking_cells(executed[path])
    assert plotting_cells(executed[path])
    assert [] == faults(executed[path])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_stored_outputs(path: Path) -> None:
    """A stored notebook was executed once from top to bottom and is small; its outputs contain no
    warnings, errors or absolute paths."""
    stored = nbformat.read(path, as_version=4)
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert list(range(1, len(counts) + 1)) == counts
    assert path.stat().st_size < MAX_BYTES
    assert [] == faults(stored)


@pytest.mark.parametrize(
    ("name", "completions"),
    [
        ("01_rewards", []),
        ("02_completions", []),
        ("02_completions", [{"model_output": "7"}, {"question": "3 + 4?", "answer": "7"}]),
        ("03_system", []),
    ],
)
def test_a_run_of_a_plain_loop(
    tmp_path: Path, name: str, completions: list[dict[str, Any]]
) -> None:
    """The notebooks run on a run without rewards and completions, or with completions of which
    little is known, and say what it lacks."""
    logflume.initialize(dir=tmp_path / "logs", run="plain")
    for step in range(5):
        logflume.log_training_progress(step, {"loss": 1 / (step + 1)})
        for fields in completions:
            logflume.get_training_logger().info("model_output", step=step, **fields)
    logflume.shutdown()
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    execute(notebook, tmp_path)
    assert [] == faults(notebook)
    assert "This run has no " in "".join(texts(notebook, "text/plain"))


def test_the_reward_hack_is_visible(executed: dict[Path, nbformat.NotebookNode]) -> None:
    """The notebook on completions shows the alert of a hacked run and the repeated tag; the model's
    output is escaped in the HTML."""
    notebook = executed[NOTEBOOKS / "02_completions.ipynb"]
    assert any("reward_with_truncation" in text for text in texts(notebook, "text/plain"))
    tables = "".join(texts(notebook, "text/html"))
    assert "&lt;/answer&gt;&lt;/answer&gt;" in tables
    assert "</answer>" not in tables


def test_plain_duckdb_gives_the_same_numbers(executed: dict[Path, nbformat.NotebookNode]) -> None:
    """The notebook on many runs gets the same numbers from logflume and from the files alone."""
    printed = "".join(texts(executed[NOTEBOOKS / "04_duckdb_at_scale.ipynb"], "text/plain"))
    assert "The same numbers: True" in printed
    assert "The same number of values: True (2,400)" in printed


def test_a_run_with_gpus(gpu_run: DemoRun, executed: dict[Path, nbformat.NotebookNode]) -> None:
    """The notebook on the system plots the readings of GPUs, where the run has any."""
    path = NOTEBOOKS / "03_system.ipynb"
    notebook = nbformat.read(path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGFLUME_RUN_FOLDER", str(gpu_run.folder))
        execute(notebook, gpu_run.folder.parent.parent)
    without_gpu = printing_cells(executed[path], "No GPU in this run")
    assert 1 == len(without_gpu)
    assert without_gpu <= plotting_cells(notebook)
    assert [] == faults(notebook)
    assert set() == printing_cells(notebook, "No GPU in this run")


def outputs(notebook: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """Yield the outputs of all cells."""
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def texts(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Return the outputs of one MIME type; printed text counts as `text/plain`."""
    return [
        output.text if output.output_type == "stream" else output.data.get(kind, "")
        for output in outputs(notebook)
        if output.output_type != "error" and (output.output_type != "stream" or "plain" in kind)
    ]


def plotting_cells(notebook: nbformat.NotebookNode) -> set[str]:
    """Return the ids of the cells that plot."""
    return {
        cell.id
        for cell in notebook.cells
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
    }


def printing_cells(notebook: nbformat.NotebookNode, text: str) -> set[str]:
    """Return the ids of the cells whose printed output contains a text."""
    return {
        cell.id
        for cell in notebook.cells
        if any(text in output.get("text", "") for output in cell.get("outputs", []))
    }


def lacking_cells(notebook: nbformat.NotebookNode) -> set[str]:
    """Return the ids of the cells that print what the run lacks, in place of a plot."""
    return printing_cells(notebook, "This run ") - plotting_cells(notebook)


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the outputs that a notebook must not have: errors, warnings, absolute paths."""
    bad = [
        str(output)
        for output in outputs(notebook)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    shown = [*texts(notebook, "text/plain"), *texts(notebook, "text/html")]
    return bad + [text for text in shown if ABSOLUTE_PATH.search(text)]
