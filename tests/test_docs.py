"""Executes the examples of docs/prompts.md, and compares what they print with the page."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

REPOSITORY = Path(__file__).parent.parent
PAGE = "docs/prompts.md"
OUTPUT = "output of the command above"


def _run(example: Example) -> None:
    """Run a command of `logflume`, and keep what it prints for the block that follows."""
    words = shlex.split(example.parsed)
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    example.namespace[OUTPUT] = done.stdout


def _compare(example: Example) -> None:
    """Compare a block with the output of the command before it; a benchmark's isn't repeated."""
    if OUTPUT in example.namespace:
        assert _lines(example.parsed) == _lines(example.namespace.pop(OUTPUT))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_page_about_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All examples run in order, and print what the page states."""
    monkeypatch.chdir(tmp_path)
    sybil = Sybil(
        parsers=[
            PythonCodeBlockParser(),
            CodeBlockParser(language="bash", evaluator=_run),
            CodeBlockParser(language="text", evaluator=_compare),
        ],
        path=str(REPOSITORY),
        pattern=PAGE,
    )
    document: Document = sybil.parse(REPOSITORY / PAGE)
    for example in document.examples():
        example.evaluate()
    assert OUTPUT not in document.namespace
