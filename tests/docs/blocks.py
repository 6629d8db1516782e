"""Executes the code blocks of a page in order, as a reader would.

| language | what happens |
|---|---|
| `python` | executed, with the variables of earlier blocks; saved, if line 1 is `# name.py` |
| `yaml` | a run starts and stops with this configuration |
| `bash`, `sh` | each command runs; see `_run_command` for those that install, serve or take long |
| `text` | directly after a `bash` block: what it prints. Elsewhere not executed |
| `toml`, `json` | parsed |
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import logflume

__all__ = ["LANGUAGES", "REPOSITORY", "code_blocks", "execute_page"]

REPOSITORY = Path(__file__).parents[2]

LANGUAGES = ("python", "yaml", "bash", "sh", "text", "toml", "json")

_OUTPUT = "output of the block before"
_MAINTENANCE = ("logflume doctor", "logflume replay", "logflume compact")
_SERVERS = ("logflume ui",)


def code_blocks(text: str) -> list[str]:
    """Return the languages of the code blocks of a page; empty for one without."""
    fences = re.findall(r"^ *```(.*)$", text, re.MULTILINE)
    return fences[::2]


def execute_page(path: Path) -> None:
    """Execute the blocks of a page in the current folder."""
    evaluators: dict[str, Any] = {
        "yaml": _load_yaml,
        "bash": _run_commands,
        "sh": _run_commands,
        "text": _compare,
        "toml": lambda example: tomllib.loads(example.parsed) and None,
        "json": lambda example: json.loads(example.parsed) and None,
    }
    sybil = Sybil(
        parsers=[
            PythonCodeBlockParser(),
            *(CodeBlockParser(language, evaluate) for language, evaluate in evaluators.items()),
        ],
        path=str(path.parent),
        pattern=path.name,
    )
    document: Document = sybil.parse(path)
    document.namespace["logflume"] = logflume
    for example in document.examples():
        text = str(example.parsed)
        if "GRPOTrainer(" in text:
            document.namespace.update(_prepare_training())
        if name := re.match(r"# (\w+\.py)\n", text):
            Path(name[1]).write_text(text)
        example.evaluate()


def _load_yaml(example: Example) -> None:
    """Start and stop a run with a configuration."""
    logflume.initialize(yaml.safe_load(example.parsed))
    assert logflume.shutdown()


def _run_commands(example: Example) -> None:
    """Run each command, and keep what they print for a block that follows."""
    text = example.parsed.replace("\\\n", " ")
    commands = [re.split(r"(?:^|\s{2,})#", line)[0].strip() for line in text.splitlines()]
    printed = [_run_command(command) for command in commands if command]
    example.namespace[_OUTPUT] = (_end(example), "".join(printed))


def _run_command(command: str) -> str:
    """Run a command of a page and return what it prints.

    `make` gets `-n`; of `pip install` the extras are checked; the demo prints its help only; a
    server runs until it prints its address; for TensorBoard the event files are looked for.
    """
    if command.startswith("make "):
        subprocess.run([*shlex.split(command), "-n"], cwd=REPOSITORY, check=True)
        return ""
    if command.startswith("pip install "):
        extras = re.search(r"(?:logflume|\.)\[(.*)\]", command)
        assert extras is not None
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
        known = project["project"]["optional-dependencies"]
        assert set(extras[1].split(",")) <= known.keys()
        return ""
    if command.startswith("tensorboard "):
        assert list(Path(command.split("--logdir ")[1]).glob("events.out.tfevents.*"))
        return ""
    if command.startswith("logflume demo"):
        command += " --help"
    if command.startswith(_MAINTENANCE):
        logflume.shutdown()  # these commands don't change a run that is still being written
    if command.startswith(_SERVERS):
        return _serve(command)
    done = subprocess.run(
        command, shell=True, check=True, text=True, env=_environment(), stdout=subprocess.PIPE
    )
    return done.stdout


def _serve(command: str) -> str:
    """Run a server, on a free port and on the runs here, until it prints its address."""
    words = re.sub(r"--(port|host) \S+", "", command).split()
    folders = ["logs" for word in words[2:] if not word.startswith("-")][:1]
    server = subprocess.Popen(
        [sys.executable, "-m", *words[:2], *folders, "--port", "0"],
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    with server.stdout:
        address = next((line for line in server.stdout if "http://" in line), "")
        server.send_signal(signal.SIGINT)
        server.wait()
    assert address
    return address


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "80"}


def _compare(example: Example) -> None:
    """Compare a block with what the block directly before it has printed."""
    end, printed = example.namespace.pop(_OUTPUT, (None, ""))
    between = example.document.text[end : example.start] if end is not None else "x"
    if printed and not between.strip():
        assert _lines(example.parsed) == _lines(printed)


def _end(example: Example) -> int:
    return int(example.end)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _prepare_training() -> dict[str, Any]:
    """Return the variables that a page's training uses: model, data and reward functions."""
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
