"""Executes the README's Python, YAML and shell blocks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import logflume

REPOSITORY = Path(__file__).parent.parent
TRL_BLOCK = "GRPOTrainer("


def _load_yaml(example: Example) -> None:
    """Start and stop a run with the configuration of a YAML block."""
    logflume.initialize(yaml.safe_load(example.parsed))
    assert logflume.shutdown()


def _run_shell(example: Example) -> None:
    """Run each command; `make` gets `-n`, and for `tensorboard` the event files are checked."""
    for line in example.parsed.strip().splitlines():
        command = line.partition("#")[0].strip()
        if command.startswith("make "):
            subprocess.run([*command.split(), "-n"], cwd=REPOSITORY, check=True)
        elif command.startswith("tensorboard "):
            assert list(Path(command.split("--logdir ")[1]).glob("events.out.tfevents.*"))
        else:
            if command.startswith(("logflume doctor", "logflume replay", "logflume compact")):
                logflume.shutdown()  # these commands don't change a run that is still being written
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            subprocess.run(command, shell=True, check=True, env={**os.environ, "PATH": path})


def _prepare_training() -> dict[str, Any]:
    """Return the variables that the README's TRL block uses: model, data and reward functions."""
    from logflume.demo.options import parse_options, prepare_process
    from logflume.demo.rewards import correctness_reward_func, format_reward_func

    options = parse_options(["--steps", "1"], description="")
    prepare_process(options)
    from logflume.demo.training import prepare

    setup = prepare(options)
    return {
        "model": setup.model,
        "tokenizer": setup.tokenizer,
        "config": setup.config,
        "dataset": setup.dataset,
        "correctness_reward_func": correctness_reward_func,
        "format_reward_func": format_reward_func,
    }


def test_every_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All code blocks of the README run in order, and the last Python block prints the output that
    the README states."""
    monkeypatch.chdir(tmp_path)
    sybil = Sybil(
        parsers=[
            PythonCodeBlockParser(),
            CodeBlockParser(language="yaml", evaluator=_load_yaml),
            CodeBlockParser(language="bash", evaluator=_run_shell),
        ],
        path=str(REPOSITORY),
        pattern="README.md",
    )
    document: Document = sybil.parse(REPOSITORY / "README.md")
    examples = list(document.examples())
    blocks = re.findall(r"^```(?:python|yaml|bash)$", document.text, re.MULTILINE)
    assert len(blocks) == len(examples)
    for example in examples:
        if TRL_BLOCK in str(example.parsed):
            document.namespace.update(_prepare_training())
        example.evaluate()
    stated = re.search(r"^print\(count\.counts\)  # (.*)$", document.text, re.MULTILINE)
    assert stated is not None
    assert stated[1] in capsys.readouterr().out
