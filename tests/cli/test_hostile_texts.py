"""What a terminal gets of a run whose names and texts were written to control it."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import subprocess
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import logflume
from logflume.query.prompt_ids import hash_text
from logflume.terminal.escape import escape, escape_json

EVIL = (
    "a\x1b]52;c;cHdu\x07\x9b31m\u202eb\u200b\U000e0041[link=http://e.example/]c[/link]:smile:\r\x7f"
    "\t\x1bP1$r0m\x1b\\\x1b]8;;http://e\x07x\x1b[2J\u2066q\u2069\u2028\x85\x90d\x9c"
)
NAME = EVIL.replace("/", "|")
COMMANDS = {
    "show": ["show", "{run}", "--all"],
    "show --json": ["show", "{run}", "--json"],
    "tail": ["tail", "{run}", "-n", "50"],
    "tail --json": ["tail", "{run}", "-n", "50", "--json"],
    "outputs": ["outputs", "{run}"],
    "outputs --json": ["outputs", "{run}", "--json"],
    "prompt": ["prompt", "{run}", hash_text(EVIL)],
    "prompt --json": ["prompt", "{run}", hash_text(EVIL), "--json"],
    "compare": ["compare", "{run}", "{run}"],
    "runs": ["runs", "{dir}"],
    "brief": ["brief", "{run}"],
    "doctor": ["doctor", "{run}/{evil}"],
    "replay": ["replay", "{named}", "--to", "console"],
    "config check": ["config", "check", "{run}/own.yaml"],
    "sql": ["sql", "{run}", "select * from training"],
    "sql csv": ["sql", "{run}", "select * from training", "--format", "csv"],
    "sql json": ["sql", "{run}", "select * from training", "--format", "json"],
    "an error": ["sql", "{run}", 'select * from "no{evil}"'],
    "a missing run": ["show", "{run}/{evil}"],
    "a mode that is none": ["show", "{dir}/mode"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every text and name is hostile, also those that logflume itself makes."""
    folder = tmp_path_factory.mktemp("logs")
    run = logflume.initialize(dir=folder, run="r")
    logflume.get_logger().info("training", step=1, loss=0.5, note="x")
    logflume.get_logger().info("mine", step=1, x=0.5)
    logflume.log_model_output(question="q", model_output="m", answer="1")
    logflume.shutdown()
    journal = run.folder / "events.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        kept = {"timestamp", "run", "level", "event", "logger", "config", "mode"}
        texts = {name: EVIL for name, v in line.items() if isinstance(v, str) and name not in kept}
        line |= texts | {EVIL: 1.0, "logger": EVIL}
        if line["event"] == "mine":
            line["event"] = EVIL
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run.folder / "run.json").unlink()
    (run.folder / "own.yaml").write_text(json.dumps({"sinks": {EVIL: {"type": EVIL}}, EVIL: 1}))
    shutil.copytree(run.folder, folder / NAME)
    (folder / "mode").mkdir()
    (folder / "mode" / "events.jsonl").write_text(json.dumps({**lines[0], "mode": EVIL}) + "\n")
    return run.folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_gets_no_control_characters(command: str, folder: Path) -> None:
    """Each command prints hostile texts escaped: no sequences but colours, no markup, no emoji."""
    names = {"run": folder, "dir": folder.parent, "named": folder.parent / NAME, "evil": EVIL}
    arguments = [part.format(**names) for part in COMMANDS[command]]
    shown = run_in_terminal(arguments)
    for sequence in ("\r\n", "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[36m"):
        shown = shown.replace(sequence, "\n" if sequence == "\r\n" else "")
    unseen = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"}

    assert set() == unseen
    assert "\\x1b" in shown or "\\u001b" in shown
    assert "😄" not in shown
    assert "Traceback" not in shown


def run_in_terminal(arguments: list[str]) -> str:
    """Run a command in a terminal, and return what the terminal gets."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "logflume", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,  # no progress bars
        env={**os.environ, "COLUMNS": "4000", "TERM": "xterm"},
    )
    os.close(theirs)
    shown = io.BytesIO()
    with suppress(OSError):  # raised when the other side is closed
        while chunk := os.read(ours, 65536):
            shown.write(chunk)
    os.close(ours)
    _, errors = process.communicate()
    return (shown.getvalue() + errors).decode()


@given(st.text(st.characters(codec=None)))
def test_escaped_texts(text: str) -> None:
    """What is shown has no invisible characters; JSON stays the same value."""
    assert not {unicodedata.category(c) for c in escape(text)} & {"Cc", "Cs", "Zl", "Zp"}
    encoded = json.dumps(text, ensure_ascii=False)
    assert text == json.loads(escape_json(encoded))
    assert escape(escape_json(encoded)) == escape_json(encoded)


@pytest.mark.parametrize("text", ["größe", "日本語　テスト", "مرحبا", "❤️ 😀", "a b", "π≈3"])
def test_visible_texts_are_unchanged(text: str) -> None:
    """Letters of any script, emoji and spaces are shown as they are."""
    assert text == escape(text)
