"""The package as users install it: built, and installed into a clean environment."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import logflume
from tests.typing_checks.mypy_runs import NO_ISSUES, run_mypy

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution rather than the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(REPOSITORY)],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_contains_the_top_level_folders(wheel: Path) -> None:
    """Processors, sinks and configurations are in the wheel, within the package."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, target in (("processors", "processors"), ("sinks", "sinks"), ("src/logflume", ".")):
        for file in (REPOSITORY / folder).glob("*.py"):
            assert f"logflume/{target}/{file.name}".replace("/./", "/") in names
    for config in (REPOSITORY / "configs").glob("*.yaml"):
        assert f"logflume/configs/{config.name}" in names
    assert "logflume/py.typed" in names
    assert not [name for name in names if name.startswith(("processors/", "sinks/", "tests/"))]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with nothing but the wheel and what it requires."""
    environment = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(environment)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "-c", REPOSITORY / "constraints.txt", wheel], check=True)
    return python


def test_installs_and_logs_in_a_clean_environment(python: Path, tmp_path: Path) -> None:
    """With only the wheel installed, every public name is importable and a run can be logged; a
    feature that needs an extra names it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    result = subprocess.run(
        [python, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (0, "pip install 'logflume[trl]'") == (result.returncode, result.stdout.strip()), (
        result.stderr
    )


def test_the_types_of_the_installed_package(python: Path, tmp_path: Path) -> None:
    """For mypy, the public API has the types of the checkout where only the wheel is installed."""
    assert NO_ISSUES == run_mypy(tmp_path, "--python-executable", str(python))


SCRIPT = f"""
import logflume
from logflume import {", ".join(logflume.__all__)}
from logflume.training import attach
from logflume.training.wrapped_rewards import get_wrapped_reward_functions, wrap_reward

run = initialize()
log_reward_metrics(step=1, rewards_dict={{"correctness": get_wrapped_reward_functions([
    lambda completions: [1.0 for _ in completions]])[0](completions=["a", "b"])}})
assert shutdown()
assert open_run(run.folder).types()["reward"] == 2
try:
    from logflume.training.callbacks import EnhancedLoggingCallback
except MissingExtraError as error:
    print(str(error).partition("with: ")[2])
"""
