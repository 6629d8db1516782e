"""The commands that a newcomer tries first, on runs of any kind of training, at any width."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import logflume
from logflume.cli.base import app
from logflume.terminal.cells import cell_len
from tests.cli.commands import check_error, check_output
from tests.query.training_run import write_run

SPARK = "▁▂▃▄▅▆▇█"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a plain loop, of DPO's metrics, and a continued run with rewards."""
    folder = tmp_path_factory.mktemp("here")
    logflume.initialize(dir=folder / "logs", run="plain-20261130-165015")
    log = logflume.get_training_logger()
    for step in range(1, 101):
        logflume.set_step(step)
        fields = {"my_own": 1e7 + step, "accuracy": step / 200, "loss": 1 / step, "lr": 1e-9}
        log.info("training", epoch=step / 10, **fields)
        if step % 50 == 0:
            log.info("evaluation", loss=2 / step, **{"bleu/en-de": float(step)})
            log.info("retrieval", hits=step / 100)
    log.warning("alert", signal="flat", severity="warning", message="the loss is flat", step=90)
    log.warning("alert", signal="flat", severity="warning", message="still flat", step=95)
    logflume.shutdown()
    logflume.initialize(dir=folder / "logs", run="dpo")
    log.info("run_started", hyperparameters={"learning_rate": 3e-5, "beta": 0.1, "seed": 1})
    for step in range(1, 4):
        rewards = {"rewards/chosen": 0.5 * step, "rewards/margins": 1.0 * step}
        log.info("training", step=step, loss=1 / step, **rewards)
    logflume.shutdown()
    write_run(folder / "logs", range(1, 6), range(4, 9), run="continued")
    return folder


def terminal(folder: Path, columns: int, *arguments: str, typed: str = "", rows: int = 50) -> str:
    """Run a command in a terminal of this size; return what it shows, without colours."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (rows, columns))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "logflume", *arguments],
        stdin=theirs if typed else subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**environment, "TERM": "xterm-256color", "PAGER": "cat"},
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    with suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert 0 == process.wait(), shown
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")


def answer(folder: Path, *arguments: str) -> Any:
    """Run a command in this process; return what it prints as JSON, or its error."""
    result = CliRunner().invoke(app, arguments, env={"LOGFLUME_DIR": str(folder / "logs")})
    return json.loads(result.stdout) if result.exception is None else str(result.exception)


def rows_of(text: str) -> dict[str, str]:
    """Return the lines by their first word."""
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_show_fits_the_terminal(here: Path, columns: int) -> None:
    """Names and numbers are whole, and the newest end of each sparkline is kept."""
    text = terminal(here, columns, "show", "plain-20261130-165015")
    table = text[text.index("\nmetric") : text.index("\nEvents")].splitlines()[1:]
    assert columns >= max(map(len, table))
    rows = rows_of("\n".join(table))
    assert ["0.01", "0.01", "100"] == rows["loss"].split()[2:5]
    assert ["0.5", "0.5", "100"] == rows["accuracy"].split()[2:5]
    assert "10M" in rows["my_own"].split()
    assert ("▁", "█") == (rows["loss"].split()[1][-1], rows["accuracy"].split()[1][-1])
    assert "plain-20261130-165015" in text


def test_show_has_the_metrics_of_the_run(here: Path) -> None:
    """Any metric is shown: the loss, evaluations, then the others by group; counters on request."""
    text = check_output(here, "show", "plain-20261130-165015")
    names = [line.split()[0] for line in text.splitlines() if set(SPARK) & set(line)]
    first = ["loss", "accuracy", "eval/loss", "eval/bleu/en-de"]
    assert [*first, "my_own", "lr", "retrieval.hits"] == names
    assert "1 more, such as epoch" in text
    assert "epoch" in rows_of(check_output(here, "show", "plain-20261130-165015", "--all"))
    dpo = rows_of(check_output(here, "show", "dpo"))
    assert "3" == dpo["rewards/margins"].split()[-1] == dpo["rewards/margins"].split()[2]


def test_show_selects_metrics(here: Path) -> None:
    """`--metric` and `--mode` select metrics; a name that doesn't exist is an error."""

    def names(*arguments: str) -> list[str]:
        shown = answer(here, "show", "plain-20261130-165015", "--json", *arguments)
        return list(shown["metrics"])

    assert ["loss", "eval/loss"] == names("--metric", "loss")
    assert ["eval/loss", "eval/bleu/en-de"] == names("--mode", "eval")
    assert ["eval/loss", "my_own"] == names("--metric", "eval/l*", "--metric", "my_own")
    error = answer(here, "show", "plain-20261130-165015", "--metric", "los")
    assert "no metric matches 'los'; did you mean 'loss'?" in error


def test_show_facts(here: Path) -> None:
    """Hyperparameters, the time of all attempts, and one line for each signal are shown."""
    assert "learning_rate 3e-5 · beta 0.1 · seed 1" in check_output(here, "show", "dpo")
    shown = check_output(here, "show")
    assert re.search(r"Took .* s in 2 attempts, the latest", shown)
    assert "Attempt  1, after attempt 0\n" in shown  # the number in the field `attempt`
    text = check_output(here, "show", "plain-20261130-165015")
    assert "step 95: still flat (2 times since step 90)" in text
    assert re.search(r"logflume diagnose \S*plain-20261130-165015 explains it", text)


def test_show_live(here: Path) -> None:
    """`--live` ends with the run."""
    assert "accuracy" in terminal(here, 80, "show", "plain-20261130-165015", "--live")


def test_metrics_without_steps(tmp_path: Path) -> None:
    """Metrics of a loop that never says its step are shown in the order of their events."""
    logflume.initialize(dir=tmp_path / "logs", run="r")
    for loss in (3.0, 2.0, 1.0):
        logflume.get_training_logger().info("training", loss=loss)
    logflume.shutdown()
    metrics = answer(tmp_path, "show", "--json")["metrics"]
    assert ([0, 1, 2], [3.0, 2.0, 1.0]) == (metrics["loss"]["steps"], metrics["loss"]["values"])


def test_wide_characters_are_aligned(tmp_path: Path) -> None:
    """Names of characters that take two cells keep the columns in place, also if cut."""
    logflume.initialize(dir=tmp_path / "logs", run="r")
    for step in range(1, 4):
        logflume.log_training_progress(step, {"loss": 1 / step, "准确率": 0.5, "数" * 60: 1.0})
    logflume.shutdown()

    text = terminal(tmp_path, 80, "show")
    table = text[text.index("\nmetric") : text.index("\nEvents")].strip().splitlines()
    spark = [next(at for at, c in enumerate(line) if c in SPARK) for line in table[1:]]
    assert 1 == len({cell_len(line[:at]) for line, at in zip(table[1:], spark, strict=True)})
    assert 80 >= max(map(cell_len, table))


def test_show_is_short(here: Path) -> None:
    """Of a run with rewards a dozen metrics are shown; a line says how many more there are."""
    text = check_output(here, "show", "continued")
    names = [line.split()[0] for line in text.splitlines() if set(SPARK) & set(line)]
    assert 12 >= len(names)
    assert ["reward", "rewards/right/mean"] == names[:2]
    (more,) = re.findall(r"(\d+) more, such as", text)
    everything = answer(here, "show", "continued", "--json")["metrics"]
    assert len(everything) == len(names) + int(more)


def test_show_has_at_most_thirty_metrics(tmp_path: Path) -> None:
    """Of more metrics the first ones are shown, and `--all` shows all."""
    logflume.initialize(dir=tmp_path / "logs", run="r")
    for step in range(3):
        logflume.log_training_progress(step, {f"m{number}": step for number in range(40)})
    logflume.shutdown()

    shown = check_output(tmp_path, "show")
    assert (30, 40) == tuple(
        len(re.findall(r"^m\d", text, re.MULTILINE))
        for text in (shown, check_output(tmp_path, "show", "--all"))
    )
    assert "10 more, such as m30, m31, m32" in shown


def test_what_the_user_says_of_a_run(tmp_path: Path) -> None:
    """The user's own hyperparameters come before the trainer's; tags and notes are shown."""
    given: dict[str, Any] = {"hyperparameters": {"lora": {"rank": 8}}, "tags": ["x", "y"]}
    logflume.initialize(dir=tmp_path / "logs", run="r", notes="A first try.", **given)
    trainer = {"learning_rate": 3e-5, "seed": 1, "optim": "adamw"}
    logflume.get_training_logger().info("run_started", hyperparameters=trainer)
    logflume.shutdown()

    lines = [" ".join(line.split()) for line in check_output(tmp_path, "show").splitlines()]
    assert "Settings lora/rank 8 · learning_rate 3e-5 · seed 1 · 1 more with --json" in lines
    assert {"Tags x, y", "Notes A first try."} <= set(lines)


def test_settings_that_compare_shows(tmp_path: Path) -> None:
    """Folders, unset values and equal ones are left out; the user's own come first."""
    for number, unset in enumerate(("None", "[]")):
        own = {"z": number, "same": 1}
        logflume.initialize(dir=tmp_path / "logs", run=f"r{number}", hyperparameters=own)
        trainer = {"beta": 0.1 * number, "debug": unset, "output_dir": f"out/{number}", "seed": 1}
        logflume.get_training_logger().info("run_started", hyperparameters=trainer)
        logflume.log_training_progress(1, {"loss": 1.0})
        logflume.shutdown()

    text = check_output(tmp_path, "compare", "r0", "r1")
    table = text[text.index("\nsetting") : text.index("\nmetric")].splitlines()[2:]
    assert [["z", "0", "1"], ["beta", "0", "0.1"]] == [line.split() for line in table[:2]]
    assert not {"debug", "output_dir", "seed", "same", "last_step"} & set(text.split())
    everything = check_output(tmp_path, "compare", "r0", "r1", "--all")
    assert {"output_dir", "debug"} <= rows_of(everything).keys()


def test_a_run_is_compared_once(here: Path) -> None:
    """A pattern that also matches the link `latest` gives each run once."""
    runs = answer(here, "compare", f"{here}/logs/latest", "continued", "dpo", "--json")["runs"]
    assert ["continued", "dpo"] == runs


@pytest.mark.parametrize("columns", [80, 140])
def test_compare_many_runs(here: Path, columns: int) -> None:
    """More than two runs are compared; ids are whole, and the best value of a metric is marked."""
    text = terminal(here, columns, "compare", "logs/*", "--metric", "loss")
    assert columns >= max(map(len, text.splitlines()))
    ids = [line.split()[1] for line in text.splitlines()[:3]]
    assert ["continued", "dpo", "plain-20261130-165015"] == ids
    (line,) = (line for line in text.splitlines() if line.startswith("loss"))
    assert ["0.25", "0.3333", "0.01*"] == re.findall(r"[\d.]+\*?", line)[:3]


def test_settings_of_many_runs_fit(tmp_path: Path) -> None:
    """Settings of runs that don't fit next to each other follow below, those that a run has."""
    for number in range(6):
        own = {"name": f"a-rather-long-name-{number}", **({"last": True} if number == 5 else {})}
        logflume.initialize(dir=tmp_path / "logs", run=f"r{number}", hyperparameters=own)
        logflume.shutdown()

    text = terminal(tmp_path, 60, "compare", "logs/*")
    assert 60 >= max(map(len, text.splitlines()))
    tables = [table.splitlines() for table in text.split("setting")[1:]]
    assert list("ABCDEF") == [letter for table in tables for letter in table[0].split()]
    assert [0] * (len(tables) - 1) + [1] == [
        sum(line.startswith("last") for line in table) for table in tables
    ]


@pytest.mark.parametrize("command", [(), ("show",), ("runs", "list"), ("config", "check")])
def test_flags_have_no_type(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The help of options without a value names no type."""
    assert not re.search("bool", check_output(tmp_path, *command, "--help"), re.IGNORECASE)


def test_a_plot_without_colours(tmp_path: Path) -> None:
    """In a pipe, the second line is drawn with a sign of its own, which the legend explains."""
    logflume.initialize(dir=tmp_path / "logs", run="r")
    for step in range(5):
        logflume.get_logger().info("training", step=step, loss=1.0 - step / 10)
        logflume.get_logger().info("evaluation", step=step, loss=2.0 - step / 10)
    logflume.shutdown()
    chart, legend = check_output(tmp_path, "plot", "r", "loss").rstrip().rsplit("\n", 1)
    assert "━━ train  oo eval" == legend.strip()
    assert "ooo" in chart


def test_plot(here: Path) -> None:
    """Each metric has a chart with the range of its values, the training and evaluations in one."""
    text = terminal(here, 80, "plot", "plain-20261130-165015", "loss", "accuracy", "--height", "8")
    assert 80 >= max(map(len, text.splitlines()))
    lines = text.splitlines()
    assert [0, 11] == [lines.index("loss"), lines.index("accuracy")]
    assert ["1", "0.01"] == [lines[row].split()[0] for row in (1, 6)]
    assert ["1", "100"] == lines[8].split()
    assert ["train", "eval"] == re.findall("[a-z]+", lines[9])
    curves = answer(here, "plot", f"{here}/logs/*", "loss", "--mode", "train", "--json")
    assert 3 == len({curve["run"] for curve in curves})


def test_filters_of_outputs(here: Path) -> None:
    """Mode, group and a regular expression filter before the worst are selected."""

    def found(*arguments: str) -> list[dict[str, Any]]:
        return list(answer(here, "outputs", "continued", "--json", "-n", "100", *arguments))

    everything = found()
    assert [row for row in everything if row["group"] == 1] == found("--group", "1")
    matching = found("--grep", "step (5|7): [02]$")
    assert {(5, 0), (5, 1), (7, 0), (7, 1)} == {(r["step"], r["group"]) for r in matching}
    lowest = min(row["rewards/total"] for row in found("--group", "0"))
    assert [lowest] == [r["rewards/total"] for r in found("--group", "0", "--worst", "1")]
    assert [] == found("--mode", "eval")
    assert "search='[': " in answer(here, "outputs", "continued", "--grep", "[")


@pytest.mark.parametrize("command", ["outputs", "prompts"])
def test_a_run_without_completions(here: Path, command: str) -> None:
    """Where there is nothing to list, a line says so."""
    result = CliRunner().invoke(app, [command, str(here / "logs" / "dpo")])
    assert "This run has no completions.\n" == result.stderr


def test_columns_and_pager_of_outputs(here: Path) -> None:
    """Further fields are shown on request; what doesn't fit the terminal goes through a pager."""
    text = check_output(here, "outputs", "continued", "-n", "1", "--column", "logger")
    assert "logger model" in text
    error = answer(here, "outputs", "continued", "--column", "loger")
    assert "did you mean 'logger'?" in error
    paged = terminal(here, 80, "outputs", "continued", rows=10)
    assert 5 == paged.count("the answer")


def test_sql_prompt(here: Path) -> None:
    """Without a query, queries are read from a terminal until the input ends."""
    typed = "show tables\nselect max(step) as m\nfrom training;\nselect nothing;\nquit\n"
    text = terminal(here, 100, "sql", "dpo", typed=typed)
    assert {"training", "rewards", "outputs"} <= rows_of(text).keys()
    assert re.search(r"\n *m *\n[ ─]*\n *3 *\n", text)
    assert 'Referenced column "nothing"' in text


def test_sql_from_standard_input(here: Path) -> None:
    """A query is read from a pipe, and `show tables` works as a query, too."""
    done = subprocess.run(
        [sys.executable, "-m", "logflume", "sql", "dpo", "-f", "json"],
        input="select max(step) as m from training",
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [{"m": 3}] == json.loads(done.stdout)
    tables = json.loads(check_output(here, "sql", "dpo", "show tables", "-f", "json"))
    assert {"training": 3, "metrics": None}.items() <= {
        t["name"]: t["rows"] for t in tables
    }.items()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--type", "trainin"], "did you mean 'training'?"),
        (["--type", "x"], "types here: alert, "),
        (["--where", "los > 1"], "did you mean loss?"),
        (["--where", "bleu > 1"], 'did you mean "bleu/en-de"?'),
    ],
)
def test_tail_suggests_names(here: Path, arguments: Sequence[str], hint: str) -> None:
    """A misspelled type or field is an error that names the nearest one."""
    assert hint in answer(here, "tail", "plain-20261130-165015", "-n", "500", *arguments)


def test_help_imports_little() -> None:
    """`--help` loads neither structlog nor what reads runs: it has to be there at once."""
    code = """
        import sys, logflume.cli
        sys.argv = ["logflume", "--help"]
        try:
            logflume.cli.main()
        finally:
            print(*sorted(sys.modules), file=sys.stderr)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    slow = {"structlog", "pyarrow", "numpy", "yaml", "duckdb", "tensorboard", "pandas", "pydantic"}
    assert "Usage" in done.stdout
    assert set() == slow & set(done.stderr.split())


def test_show_without_pandas(here: Path) -> None:
    """`show` doesn't load pandas, which takes longer than all it does."""
    code = """
        import sys, logflume.cli
        sys.argv = ["logflume", *sys.argv[1:]]
        try:
            logflume.cli.main()
        finally:
            print(*sys.modules, file=sys.stderr)
    """
    program = [sys.executable, "-c", textwrap.dedent(code), "show", "continued"]
    done = subprocess.run(program, cwd=here, capture_output=True, text=True, check=True)
    assert {"pyarrow"} == {"pyarrow", "pandas"} & set(done.stderr.split())


def test_names_of_the_package() -> None:
    """`dir()` has the public names and no module; each of them can be used."""
    names = [name for name in dir(logflume) if not name.startswith("_")]
    assert sorted(logflume.__all__) == names
    code = "import logflume; [getattr(logflume, name) for name in logflume.__all__]"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
    with pytest.raises(AttributeError, match="no attribute 'initialise'"):
        _ = logflume.initialise  # type: ignore[attr-defined]


def test_demo_without_its_extra(tmp_path: Path) -> None:
    """Without the packages of the demo one line says how to install them."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text(
        "import sys\nfrom importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: None if name == 'trl' else find(name, *rest)\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "logflume", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "pip install 'logflume[trl]'" in done.stderr


def test_tensorboard_without_runs(tmp_path: Path) -> None:
    """Where nothing can be shown, an error says so."""
    write_run(tmp_path / "logs", range(1, 3))
    assert "no run here has a folder `tensorboard`" in check_error(tmp_path, "tensorboard")


def test_a_constant_is_drawn_as_one(tmp_path: Path) -> None:
    """Rounding neither draws a sawtooth nor makes a later value the best, nor a difference."""
    for run, factor in (("a", 1.0), ("b", 1.0 + 2**-52)):
        logflume.initialize(dir=tmp_path / "logs", run=run)
        for step in range(1, 901):
            noise = 1 + step % 2 * 2**-52
            fields = {"learning_rate": 0.03, "accuracy": 0.3 * noise * factor}
            logflume.log_training_progress(step, fields)
        logflume.shutdown()

    metrics = answer(tmp_path, "show", "a", "--json")["metrics"]
    assert 1 == metrics["accuracy"]["best_step"]
    shown = check_output(tmp_path, "show", "a", "--metric", "*")
    compared = check_output(tmp_path, "compare", "a", "b", "--metric", "*")
    for text in (shown, compared):
        lines = [line for line in text.splitlines() if re.match("learning_rate|accuracy", line)]
        assert 2 == len(lines)
        assert {SPARK[0]} == {sign for line in lines for sign in line if sign in SPARK}
    assert "*" not in compared
    assert not re.search(r"e-\d", compared)
    plotted = check_output(tmp_path, "plot", "a", "accuracy", "--height", "5").splitlines()
    assert ["0.33", "0.3", "0.27"] == [line.split()[0] for line in plotted[1:4]]


def test_a_policy_has_no_best_loss(tmp_path: Path) -> None:
    """With rewards, under whatever name and whatever is selected, no loss is the best."""
    for run, loss in (("a", -2.0), ("b", 0.0)):
        logflume.initialize(dir=tmp_path / "logs", run=run)
        for step in (1, 2):
            log = logflume.get_logger()
            log.info("training", step=step, loss=loss, **{"actor/pg_loss": loss})
            log.info("reward", step=step, correctness=[0.0, 1.0])
            log.info("evaluation", step=step, loss=loss, accuracy=loss)
        logflume.shutdown()

    for options in ([], ["--metric", "*loss"], ["--mode", "eval"]):
        metrics = answer(tmp_path, "show", "a", "--json", *options)["metrics"]
        best = {name: of_name["best"] for name, of_name in metrics.items() if "loss" in name}
        assert best.keys() >= {"eval/loss"}
        assert {None} == set(best.values())
    assert "*" not in check_output(tmp_path, "compare", "a", "b", "--metric", "*loss")
    compared = check_output(tmp_path, "compare", "a", "b")
    assert "eval/accuracy" in compared
    assert "0*" in next(line for line in compared.splitlines() if "eval/accuracy" in line)


def test_an_alert_that_is_over_is_one_line(tmp_path: Path) -> None:
    """The line has the message of the problem, and the steps from its alert to its end."""
    logflume.initialize(dir=tmp_path / "logs", run="r")
    log = logflume.get_training_logger()
    log.warning("alert", step=430, signal="hack", message="The reward rose alone.")
    log.info("alert", step=571, signal="hack", message="hack is over.", over_since=470)
    logflume.shutdown()
    (line,) = [s for s in check_output(tmp_path, "show", "r").splitlines() if s.startswith("Alert")]
    assert ["Alert", "step 430 to 470 (over): The reward rose alone."] == line.split(maxsplit=1)
