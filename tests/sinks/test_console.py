"""The console sink on a real terminal, in pipes and files, and the plain-text log file."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.runs.info import RunInfo
from logflume.sinks.console import ConsoleSink
from logflume.terminal.escape import escape
from logflume.terminal.lines import Painter, format_event
from tests.event_helpers import finished_event

LOG = """
import logflume
logflume.initialize({"root": {"sinks": ["console"]}, "sinks": {"console": None}}, dir="runs")
log = logflume.get_logger(step=3)
"""
BARS = (
    LOG
    + """
from tqdm import tqdm
for number in tqdm(range(5), desc="training", ncols=60):
    log.info("probe", number=number)
    logflume.flush()
"""
)
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def line_of(event_type: str = "probe", /, **fields: Any) -> str:
    """Return the line of an event without colours."""
    return format_event(finished_event(event_type, **fields), Painter(colours=False))


def run_on_terminal(script: str, folder: Path, **environ: str) -> str:
    """Run a script with a terminal as standard error, and return what it wrote there."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "RANK")}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=end,
        cwd=folder,
        env={**environment, "TERM": "xterm", **environ},
    ) as process:
        os.close(end)
        written = b""
        while select.select([terminal], [], [], 60)[0]:
            try:
                written += os.read(terminal, 65_536)
            except OSError:  # Linux: the other end is closed
                break
    os.close(terminal)
    assert 0 == process.returncode
    return written.decode()


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows for this output."""
    rows: list[list[str]] = [[]]
    row = column = 0
    for token in re.findall(r"\x1b\[A|\r|\n|.", COLOUR.sub("", written)):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            rows += [[]] * (row == len(rows))
        elif token == "\x1b[A":
            row -= 1
        else:
            rows[row] += [" "] * (column + 1 - len(rows[row]))
            rows[row][column] = token
            column += 1
    return ["".join(line).rstrip() for line in rows]


def test_a_terminal_has_colours(tmp_path: Path) -> None:
    """On a terminal levels and names are coloured; the text is otherwise the same."""
    written = run_on_terminal(LOG + 'log.warning("probe", x=1)', tmp_path)

    (line,) = [line for line in written.splitlines() if "probe" in line]
    assert "\x1b[33mWARNING\x1b[0m" in line
    assert re.fullmatch(r"\d\d:\d\d:\d\d  WARNING  step 3  probe x=1", COLOUR.sub("", line))


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_disabled_colours(environ: dict[str, str], tmp_path: Path) -> None:
    """`NO_COLOR` and a dumb terminal get plain lines."""
    written = run_on_terminal(LOG + 'log.error("probe", x=1)', tmp_path, **environ)

    assert "ERROR  step 3  probe x=1" in written
    assert "\x1b" not in written


def test_other_streams_are_plain(tmp_path: Path) -> None:
    """Lines in a pipe or file are not coloured."""
    script = LOG + 'log.info("probe", text="\\x1b[2J")'
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "step 3  probe text=\\x1b[2J" in done.stderr
    assert "\x1b" not in done.stderr
    assert "" == done.stdout


def test_a_progress_bar(tmp_path: Path) -> None:
    """Complete lines are printed above tqdm's bar, which stays a single line and ends at 100%."""
    shown = screen(run_on_terminal(BARS, tmp_path))

    lines = [line for line in shown if "probe" in line]
    assert [f"probe number={number}" for number in range(5)] == [
        line.partition("step 3  ")[2] for line in lines
    ]
    (bar,) = [line for line in shown if line.startswith("training:")]
    assert bar.startswith("training: 100%|")
    assert shown.index(bar) > shown.index(lines[-1])


def test_only_rank_0_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only rank 0 prints to the terminal, but each rank writes its own text file."""
    for rank in (0, 1):
        run = RunInfo(run="r", rank=rank, dir=tmp_path)
        with closing(ConsoleSink(run=run)) as console:
            console.write([finished_event(rank=rank, number=rank)])
        with closing(ConsoleSink(run.expand("{dir}/training.log"), run=run)) as file:
            file.write([finished_event(number=rank)])

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("step 3  probe number=0")
    assert {"training.log", "training-rank1.log"} == {path.name for path in tmp_path.iterdir()}


def test_the_text_file(tmp_path: Path) -> None:
    """A text log has dates, no colours and valid UTF-8, and is continued when opened again."""
    path = tmp_path / "logs" / "training.log"
    for number in range(2):
        with closing(ConsoleSink(path, run=RunInfo(run="r"))) as sink:
            sink.write([finished_event(number=number, text="größer")])
            assert number + 1 == len(path.read_text(encoding="utf-8").splitlines())

    assert [
        f"2026-11-23 06:00:00.123 INFO     training step 3 probe number={number} text=größer"
        for number in range(2)
    ] == path.read_text(encoding="utf-8").splitlines()


def test_a_torn_line_of_the_text_file(tmp_path: Path) -> None:
    """A line torn by a crash is removed when the file is opened again."""
    path = tmp_path / "training.log"
    path.write_text("one line\n2026-11-23 06:00:00.123 INF")
    with closing(ConsoleSink(path, run=RunInfo(run="r"))) as sink:
        sink.write([finished_event(number=1)])

    assert [
        "one line",
        "2026-11-23 06:00:00.123 INFO     training step 3 probe number=1",
    ] == path.read_text().splitlines()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (line_of("message", message="Hello there"), "step 3 Hello there"),
        (line_of("message", message="one\ntwo\x1b[31m"), r"step 3 one\ntwo\x1b[31m"),
        (line_of("message", step=None, message="x"), "training x"),
        (line_of(mode="eval"), "step 3 eval probe"),
        (line_of(a=None, b=True, c=""), 'probe b=true c=""'),
        (
            line_of(a=0.000123456, b=1234.5, c=5e6, d=1e20),
            "a=0.0001235 b=1,234 c=5,000,000 d=1e+20",
        ),
        (
            line_of(a=float("nan"), b=float("-inf"), c=-1e20, d=-2000.0),
            "a=nan b=-inf c=-1e+20 d=-2,000",
        ),
        (line_of(a=[1.0, None], b=[0.0] * 9), "a=[1, None] b=[9 values]"),
        (line_of(a="two words", b='"'), 'a="two words" b="""'),
        (line_of(a="x" * 500), f"a={'x' * 159}…"),
        (line_of(extras='{"seq": 1}'), 'extras="{"seq": 1}"'),
        (
            line_of("reward", **{"rewards/a": [1.0], "rewards/a/mean": 1.0, "rewards/a/n": 1}),
            "reward a/mean=1",
        ),
        (
            line_of("model_output", question="q", prompt="p", reasoning="r", answer="a"),
            "model_output question=q answer=a",
        ),
        (line_of("training", loss=0.5, **{"gpu/0/power_watts": 90.0}), "training loss=0.5"),
        (
            line_of(
                "pipeline", accepted=2, written=2, **{"sinks/a/written": 2, "sinks/a/dropped": 1}
            ),
            "pipeline accepted=2 written=2 sinks/a/dropped=1",
        ),
        (line_of("sample", source="gsm8k", thread="main"), "sample source=gsm8k thread=main"),
        (line_of("message", message="m", source="a.py:1"), "step 3 m"),
    ],
)
def test_the_fields_of_a_line(event: str, expected: str) -> None:
    """A line shows what matters most: means of rewards, the core of a completion, problems."""
    assert event.endswith(expected)


def test_events_with_the_same_fields() -> None:
    """Events with the same fields show their own values; null and zero counts are left out."""
    assert line_of(a=None, b=1).endswith("probe b=1")
    assert line_of(a=2.0, b=None).endswith("probe a=2")
    assert line_of("pipeline", accepted=0, dropped=0).endswith("pipeline accepted=0")
    assert line_of("pipeline", accepted=0, dropped=3).endswith("pipeline accepted=0 dropped=3")


def test_a_traceback() -> None:
    """A traceback follows its line, indented and escaped."""
    trace = "Traceback:\n  File x\nValueError: \x1b[2J\n"

    assert [
        "06:00:00 INFO     training step 3 probe",
        "    Traceback:",
        "      File x",
        "    ValueError: \\x1b[2J",
    ] == line_of(**{"exception/type": "ValueError", "exception/traceback": trace}).splitlines()


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(max_size=5))
def test_any_text_stays_on_its_line(text: str, name: str) -> None:
    """Any text is one line, and can neither move the cursor nor change the text direction."""
    line = line_of("model_output", model_output=text, extras=text, **{"x" + name: [text]})
    shown = f"{line}{line_of('message', message=text, logger=text)}"

    assert 1 == len(shown.splitlines())
    assert [] == re.findall(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_escape_keeps_printable_text() -> None:
    """Accents, other scripts and emoji are not escaped."""
    assert "größe 数学 🙂" == escape("größe 数学 🙂")
