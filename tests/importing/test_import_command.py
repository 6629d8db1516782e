"""The command `logflume import`, run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import logflume
from logflume.importing.source import SourceFormat
from tests.importing.importer import SAMPLES

PAGE = Path(__file__).parents[2] / "docs" / "maintenance.md"


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    command = [sys.executable, "-m", "logflume", "import", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_import(tmp_path: Path) -> None:
    """The command prints where the run is, and on standard error what was left out."""
    done = run(tmp_path, SAMPLES / "wandb-history.jsonl", "--run", "history")

    lines = ["step: from the field '_step'", "left out: 1 W&B media: video-file"]
    assert (0, lines) == (done.returncode, done.stderr.splitlines())
    assert "logs/history: 1 run_started, 4 training, 1 run_finished (jsonl)\n" == done.stdout
    assert 6 == sum(logflume.open_run(tmp_path / "logs" / "history").types().values())


def test_an_address_as_folder(tmp_path: Path) -> None:
    """A run can't be imported into an object store, nor into a folder that is named like one."""
    done = run(tmp_path, SAMPLES / "wandb-history.jsonl", "--dir", "s3://bucket/runs")

    assert 1 == done.returncode
    assert "is an address" in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_json(tmp_path: Path) -> None:
    """`--json` prints the folder, the format, counts by type and what was left out."""
    done = run(tmp_path, SAMPLES / "dpo_trainer_state.json", "--dir", "x", "--run", "r", "--json")

    assert {
        "run": "r",
        "folder": "x/r",
        "format": "trainer_state",
        "step": None,
        "events": {
            "run_started": 2,
            "training": 3,
            "evaluation": 1,
            "summary": 1,
            "trainer_state": 1,
            "run_finished": 1,
        },
        "left_out": {},
    } == json.loads(done.stdout)


@pytest.mark.parametrize("name", SourceFormat)
def test_each_format_can_be_named(name: str, tmp_path: Path) -> None:
    """The option `--format` has each format, and so do the page and the error about a source."""
    (tmp_path / "empty").touch()
    done = run(tmp_path, "empty", "--format", name)
    assert 1 == done.returncode  # not 2, as for an option that is wrong
    assert "Invalid value" not in done.stderr

    assert f"`{name}`" in PAGE.read_text(encoding="utf-8").partition("## Logs of other tools")[2]
    assert name in run(tmp_path, "empty").stderr.partition("--format")[2]


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    """A second import with the same run id is rejected, and the first run is unchanged."""
    run(tmp_path, SAMPLES / "wandb_chart.csv")
    before = (tmp_path / "logs" / "wandb_chart" / "events.jsonl").read_bytes()
    done = run(tmp_path, SAMPLES / "wandb_chart.csv")

    assert (1, "") == (done.returncode, done.stdout)
    assert "logs/wandb_chart already exists. Choose another id with --run.\n" == done.stderr
    assert before == (tmp_path / "logs" / "wandb_chart" / "events.jsonl").read_bytes()
    assert ["wandb_chart"] == [path.name for path in (tmp_path / "logs").iterdir()]


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["nowhere"], 1, "nowhere: no such file or folder\n"),
        (["notes.txt"], 1, "notes.txt: the format is not recognized."),
        (["."], 1, ".: the format is not recognized."),
        (
            ["rows.jsonl", "--run", "a/b"],
            1,
            "run: 'a/b' is not a valid run id: a run id is also the name of a folder\n",
        ),
        (["rows.jsonl", "--format", "xml"], 2, "Usage: "),
        ([], 2, "Usage: "),
    ],
)
def test_errors(arguments: list[str], status: int, error: str, tmp_path: Path) -> None:
    """A user error is a single message on standard error, and leaves no files behind."""
    (tmp_path / "notes.txt").write_text("dear diary\n")
    (tmp_path / "rows.jsonl").write_text('{"step": 1, "loss": 2}\n')
    done = run(tmp_path, *arguments)

    assert (status, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(error)
    assert "Traceback" not in done.stderr
    assert {"notes.txt", "rows.jsonl"} == {path.name for path in tmp_path.iterdir()}


def test_an_explicit_format(tmp_path: Path) -> None:
    """A file whose format can't be detected is read as named; without a step, rows are numbered."""
    (tmp_path / "mine").write_text("when,loss\n1,2.5\n")
    done = run(tmp_path, "mine", "--format", "csv")
    rows = duckdb.execute(
        f"select loss, step from '{tmp_path}/logs/mine/parquet/training/*.parquet'"
    )

    assert 0 == done.returncode
    assert "no field of mine is a step, so the rows are numbered; pass --step" in done.stderr
    assert [(2.5, 1)] == rows.fetchall()


def test_a_step_that_the_user_names(tmp_path: Path) -> None:
    """`--step` takes any field with whole numbers; another name is an error that lists these."""
    (tmp_path / "rows.csv").write_text("step,batch,loss\n1,30,2.5\n")
    missing = run(tmp_path, "rows.csv", "--step", "loss")
    assert (
        "--step loss: no row has a whole number of this name; such fields are: step, batch\n"
        == (missing.stderr)
    )
    done = run(tmp_path, "rows.csv", "--step", "batch")
    assert "step: from the field 'batch'\n" == done.stderr
    (event,) = logflume.open_run(tmp_path / "logs" / "rows").events("training").to_pylist()
    assert (30, 2.5) == (event["step"], event["loss"])

    other = run(tmp_path, SAMPLES / "dpo_trainer_state.json", "--step", "batch")
    assert "only jsonl and csv have a choice of steps" in other.stderr


def test_an_imported_run_is_continued(tmp_path: Path) -> None:
    """An imported run can be continued: the next attempt adds to it, with the same columns."""
    run(tmp_path, SAMPLES / "grpo_trainer_state.json", "--run", "r")
    sinks = {
        "jsonl": {"path": "{dir}/{run}/events.jsonl"},
        "parquet": {"path": "{dir}/{run}/parquet"},
    }
    info = logflume.initialize(
        {"root": {"sinks": list(sinks)}, "sinks": sinks}, dir=tmp_path / "logs", run="r"
    )
    logflume.log_training_progress(20, {"loss": 0.5, "completion_length": 400})
    logflume.shutdown()
    rows = duckdb.execute(
        "select attempt, step, completion_length "
        f"from '{tmp_path}/logs/r/parquet/training/*.parquet' order by attempt, seq"
    ).fetchall()

    assert 1 == info.attempt
    assert [(0, 5), (0, 10), (0, 15), (1, 20)] == [row[:2] for row in rows]
    assert [431.25, 432.25, 433.25, 400.0] == [row[2] for row in rows]
