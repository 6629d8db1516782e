"""`logflume diagnose` on runs on disk: the same findings as live, ranks, attempts, the command."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.diagnosis import detectors
from logflume.diagnosis.detector import Detector
from logflume.diagnosis.diagnose_run import diagnose_run, open_findings
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.importing import import_run
from tests.cli.commands import run as run_command
from tests.diagnosis.corpus import failing_runs, healthy_runs

ALERT_FIELDS = ("signal", "severity", "message", "step", "cause", "try_next")


def config(folder: Path, *watching: Any) -> dict[str, Any]:
    """Return a configuration with a journal, and `watch_training`."""
    chain = [
        "tag_step",
        "flatten_rewards",
        "measure_generations",
        *(watching or ["watch_training"]),
    ]
    return {
        "version": 1,
        "dir": str(folder),
        "worker": "thread",
        "processors": chain,
        "root": {"sinks": ["jsonl"]},
        "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
    }


def record(
    folder: Path, events: Iterable[Mapping[str, Any]], *watching: Any, run: str = "a"
) -> Path:
    """Log the events of a labelled run, and return the run's folder."""
    info = logflume.initialize(config(folder, *watching), run=run)
    for event in events:
        fields = dict(event)
        logflume.get_logger("training").info(fields.pop("event"), **fields)
    logflume.shutdown()
    return info.folder


def alerts(folder: Path) -> list[dict[str, Any]]:
    """Return the alerts that were raised while the run was live, without what identifies events."""
    events = list(logflume.open_run(folder, attempts="all"))
    return [
        {name: event[name] for name in ALERT_FIELDS}
        for event in events
        if event["event"] == "alert"
    ]


def findings(folder: Path) -> list[dict[str, Any]]:
    """Return the findings afterwards, with the same fields."""
    found = [found.fields for found in diagnose_run(folder).findings]
    return [{name: finding[name] for name in ALERT_FIELDS} for finding in found]


@pytest.mark.parametrize("kind", ["kl_runaway", "repetition", "overfitting", "gpu_idle"])
def test_the_same_findings_as_live(kind: str, tmp_path: Path) -> None:
    """The findings afterwards are the alerts of the live run, whatever the detectors read."""
    (run,) = failing_runs("tuning", 1, kind)
    folder = record(tmp_path, run.events)
    assert run.signals & {alert["signal"] for alert in alerts(folder)}
    assert alerts(folder) == findings(folder)


def test_the_options_on_record_are_used(tmp_path: Path) -> None:
    """A run that was watched with other options is diagnosed with them."""
    (run,) = failing_runs("tuning", 1, "kl_runaway")
    strict = {"watch_training": {"detectors": {"kl_runaway": {"level": 50.0}}}}
    folder = record(tmp_path, run.events, strict)
    assert [] == alerts(folder) == findings(folder)


def test_options_on_record_that_are_wrong(tmp_path: Path) -> None:
    """Options of another version, or that make no sense, are ignored; a line says so."""
    (run,) = failing_runs("tuning", 1, "kl_runaway")
    folder = record(tmp_path, run.events)
    journal = folder / "events.jsonl"
    text = journal.read_text().replace(
        r"\"watch_training\"",
        r"{\"watch_training\":{\"window_reports\":9,"
        r"\"detectors\":{\"kl_runaway\":{\"level\":\"high\"}}}}",
    )
    journal.write_text(text)
    diagnosis = diagnose_run(folder)
    assert ["kl_runaway"] == [found.finding.signal for found in diagnosis.findings]
    first, second = diagnosis.notes
    assert "ignored options on record: window_reports" in first
    assert "level must be a number" in second


def test_each_attempt_is_diagnosed_on_its_own(tmp_path: Path) -> None:
    """A continued run begins again with each attempt, as it did while it was live."""
    (run,) = failing_runs("tuning", 1, "nonfinite_loss")
    for _ in range(2):
        folder = record(tmp_path, run.events)
    found = diagnose_run(folder).findings
    assert [(0, "nonfinite_loss"), (1, "nonfinite_loss")] == [
        (one.attempt, one.finding.signal) for one in found
    ]
    assert alerts(folder) == findings(folder)


@pytest.mark.parametrize(
    ("start", "first", "level", "found"),
    [
        (0.3, 100, 0.8, []),  # it continues where it was
        (0.3, 40, 0.5, []),  # from an earlier checkpoint, and with the reward of that step
        (0.3, 100, 0.4, [(1, "reward_collapse")]),
        (1.3, 100, 1.27, [(1, "reward_collapse")]),  # as at the start, and not a third lower
        (1.3, 100, 1.4, []),
    ],
)
def test_a_reward_that_is_lost_at_a_resume(
    start: float, first: int, level: float, found: list[tuple[int, str]], tmp_path: Path
) -> None:
    """The rewards of an attempt are compared with those of the one before at the same step."""
    for begin, base in ((0, start), (first, level)):
        folder = record(
            tmp_path,
            (
                {
                    "event": "training",
                    "step": begin + n,
                    "reward": base + n / 200 + 0.02 * math.sin(7 * n),
                }
                for n in range(100 if not begin else 40)
            ),
        )
    findings = diagnose_run(folder).findings
    assert found == [(one.attempt, one.finding.signal) for one in findings]
    assert all("when the training was resumed" in f.finding.evidence.message for f in findings)


@pytest.mark.parametrize(
    ("reports", "spread", "found"),
    [
        (100, 1.2, [(1, "reward_rescaled")]),
        (100, 0.4, []),  # the completions of a group differ as they did before
        (20, 1.2, []),  # a policy that has just begun may learn as fast
    ],
)
def test_a_reward_that_is_rescaled_at_a_resume(
    reports: int, spread: float, found: list[tuple[int, str]], tmp_path: Path
) -> None:
    """A reward that is three times as large since the resume has another scale."""
    for begin, count, scale, std in ((0, reports, 1, 0.4), (reports, 40, 3, spread)):
        folder = record(
            tmp_path,
            (
                {
                    "event": "training",
                    "step": begin + n,
                    "reward": scale * (0.3 + (begin + n) / 300 + 0.02 * math.sin(7 * n)),
                    "reward_std": std + 0.02 * math.sin(5 * n),
                }
                for n in range(count)
            ),
        )
    findings = diagnose_run(folder).findings
    assert found == [(one.attempt, one.finding.signal) for one in findings]


def test_a_slow_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank that takes longer before the others wait for it is a finding over ranks."""
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        seconds = 3.0 if rank == 2 else 2.0
        folder = record(
            tmp_path,
            ({"event": "generation", "step": n, "generate_s": seconds} for n in range(60)),
        )
    (found,) = diagnose_run(folder).findings
    assert (None, "slow_rank") == (found.rank, found.finding.signal)
    assert found.fields["is_over_ranks"]
    assert "Rank 2 takes 3 s" in found.finding.evidence.message


def test_imported_runs(tmp_path: Path) -> None:
    """A run that was imported from another tool's file is diagnosed as well."""
    history = [
        {"step": n, "loss": 0.5, "reward": 0.5, "kl": 0.05 if n < 100 else 3.0} for n in range(200)
    ]
    source = tmp_path / "trainer_state.json"
    source.write_text(json.dumps({"log_history": history, "global_step": 200}))
    imported = import_run(source, dir=tmp_path / "logs")
    found = [found.finding.signal for found in diagnose_run(imported.folder).findings]
    assert "kl_runaway" in found


def test_open_findings(tmp_path: Path) -> None:
    """The open findings are the last alert of each signal, the most severe first."""
    (run,) = failing_runs("tuning", 1, "kl_runaway")
    nan = {"event": "training", "step": 9_999, "loss": float("nan")}
    folder = record(tmp_path, [*run.events, nan])
    found = open_findings(logflume.open_run(folder))
    assert [("critical", "nonfinite_loss"), ("warning", "kl_runaway")] == [
        (one["severity"], one["signal"]) for one in found
    ]
    (healthy,) = healthy_runs("tuning", 1, count=300)
    assert [] == open_findings(logflume.open_run(record(tmp_path, healthy.events, run="b")))


def test_the_command(tmp_path: Path) -> None:
    """The command prints findings with cause and advice, as JSON too, and fails if requested."""
    (run,) = failing_runs("tuning", 1, "kl_runaway")
    folder = str(record(tmp_path, run.events))
    text = run_command(tmp_path, "diagnose", folder)
    assert 0 == text.returncode
    assert "warning: kl_runaway (step " in text.stdout
    assert "Likely cause: " in text.stdout
    assert "`learning_rate`" in text.stdout
    (found,) = json.loads(run_command(tmp_path, "diagnose", folder, "--json").stdout)
    assert ("kl_runaway", 0, False) == (found["signal"], found["rank"], found["is_over_ranks"])
    assert 0 == run_command(tmp_path, "diagnose", folder, "--fail-on", "critical").returncode
    assert 1 == run_command(tmp_path, "diagnose", folder, "--fail-on", "warning").returncode
    assert 2 == run_command(tmp_path, "diagnose", folder, "--fail-on", "fatal").returncode


def test_nothing_found(tmp_path: Path) -> None:
    """The command says how many reports it has read, or that there were none."""
    (run,) = healthy_runs("tuning", 1, count=300)
    output = run_command(tmp_path, "diagnose", str(record(tmp_path, run.events))).stdout
    assert "nothing found in 300 reports" in output
    empty = run_command(tmp_path, "diagnose", str(record(tmp_path, [], run="b")))
    assert "no reports with metrics" in empty.stdout + empty.stderr


def _kl_that_returns() -> list[dict[str, Any]]:
    levels = [0.05] * 60 + [2.0] * 60 + [0.06] * 150
    return [
        {"event": "training", "mode": "train", "step": n, "reward": 0.01 * n, "kl": level}
        for n, level in enumerate(levels)
    ]


def test_a_problem_that_is_over(tmp_path: Path) -> None:
    """A finding whose metric came back is marked as over, live and afterwards, and isn't open."""
    folder = record(tmp_path, _kl_that_returns())
    run = logflume.open_run(folder)
    raised, over = (event for event in run if event["event"] == "alert")
    assert ("kl_runaway", "kl_runaway") == (raised["signal"], over["signal"])
    assert 115 <= over["over_since"] <= 130
    (found,) = diagnose_run(folder).findings
    assert over["over_since"] == found.over_since == found.fields["over_since"]
    assert [] == open_findings(run)
    assert (
        f"over since step {found.over_since}"
        in run_command(tmp_path, "diagnose", str(folder)).stdout
    )
    shown = run_command(tmp_path, "show", str(folder)).stdout
    assert f"to {found.over_since} (over): " in shown


def test_a_run_that_an_exception_ended(tmp_path: Path) -> None:
    """The exception that ended a run is named, although no detector found anything."""
    program = (
        "import logflume; logflume.initialize(run='r');"
        "logflume.get_training_logger().info('training', step=1, reward=0.5);"
        "{}['solution']"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True)
    shown = run_command(tmp_path, "diagnose", "r").stdout
    assert "The run ended with an exception: KeyError: 'solution'" in shown
    assert "nothing found in 1 report" in shown


def test_a_problem_that_persists_stays_open(tmp_path: Path) -> None:
    """An entropy that has fallen and stays low is one finding, however long it stays low."""
    levels = [1.0] * 60 + [0.18] * 400
    events = (
        {"event": "training", "step": n, "reward": 0.01 * n, "entropy": level}
        for n, level in enumerate(levels)
    )
    folder = record(tmp_path, events)
    (found,) = diagnose_run(folder).findings
    assert ("entropy_collapse", None) == (found.finding.signal, found.over_since)
    (still,) = open_findings(logflume.open_run(folder))
    assert "entropy_collapse" == still["signal"]


def test_alerts_of_ones_own(tmp_path: Path) -> None:
    """An alert with a signal that no detector has is listed once, with what it says."""
    info = logflume.initialize(config(tmp_path), run="a")
    log = logflume.get_logger()
    for step in range(20):
        log.info("training", step=step, loss=0.5)
        if step > 9:
            log.warning("alert", signal="no_format", message="Format is 0.", value=0, step=step)
    logflume.shutdown()
    (found,) = diagnose_run(info.folder).findings
    assert ("no_format", "warning", 10) == (
        found.finding.signal,
        found.finding.severity,
        found.finding.step,
    )
    done = run_command(tmp_path, "diagnose", str(info.folder))
    assert "warning: no_format (step 10)\n  Format is 0.\n\n" == done.stdout


def test_an_own_alert_that_is_over(tmp_path: Path) -> None:
    """An alert with `over_since` closes the one before, and the next one is another finding."""
    info = logflume.initialize(config(tmp_path), run="a")
    log = logflume.get_logger()
    log.info("training", step=1, loss=0.5)
    log.warning("alert", signal="no_format", message="Format is 0.", step=1)
    log.info("alert", signal="no_format", message="Format is back.", step=3, over_since=2)
    log.error("alert", signal="no_format", severity="critical", message="Again.", step=5)
    logflume.shutdown()
    found = diagnose_run(info.folder).findings
    assert [(1, 2, "warning"), (5, None, "critical")] == [
        (one.finding.step, one.over_since, one.finding.severity) for one in found
    ]


class Raising(Detector):
    """A detector that raises an exception."""

    signal = "raising"
    reads = ("loss",)
    each_report = True

    def evaluate(self, history: History) -> Evidence | None:
        """Raise."""
        raise ValueError(f"no {history.name('loss')}")


def test_a_detector_that_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on, live and afterwards, and it is said once which one failed."""
    monkeypatch.setattr(detectors, "DETECTORS", (Raising, *detectors.DETECTORS))
    losses = [0.5] * 5 + [math.nan] * 5
    events = [{"event": "training", "step": step, "loss": x} for step, x in enumerate(losses)]
    folder = record(tmp_path, events)
    recorded = list(logflume.open_run(folder))
    sentence = (
        "the detector raising failed at step 0: ValueError: no loss. The other detectors continue"
    )
    faults = [event for event in recorded if event.get("status") == "limited"]
    assert [("watch_training", sentence)] == [(one["component"], one["reason"]) for one in faults]
    assert ["nonfinite_loss"] == [alert["signal"] for alert in alerts(folder)]
    diagnosis = diagnose_run(folder)
    assert [sentence] == diagnosis.notes
    assert ["nonfinite_loss"] == [found.finding.signal for found in diagnosis.findings]
