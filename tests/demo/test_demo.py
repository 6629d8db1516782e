"""The demo: a real GRPO training, logged through all five sinks."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import mean

import pyarrow.compute as pc

import logflume
from tests.demo.runs import DemoRun, run_demo


def test_reward_rises(demo_run: DemoRun) -> None:
    """The mean reward in the journal rises visibly over 40 steps of GRPO."""
    rewards = logflume.open_run(demo_run.folder).events("reward").to_pylist()
    means = [mean(event["rewards/total"]) for event in rewards]
    assert list(range(1, 41)) == [event["step"] for event in rewards]
    assert mean(means[-5:]) > mean(means[:5]) + 0.4


def test_rewards_match_those_of_the_trainer(demo_run: DemoRun) -> None:
    """The means of the flattened rewards equal those that TRL reports for the same step."""
    run = logflume.open_run(demo_run.folder)
    flattened = {e["step"]: e for e in run.events("reward").to_pylist()}
    reported = [e for e in run.events("training").to_pylist() if e["reward"] is not None]
    assert 40 == len(reported)
    for event in reported:
        for name in ("correctness_reward_func", "format_reward_func"):
            for statistic in ("mean", "std"):
                field = f"rewards/{name}/{statistic}"
                assert abs(event[field] - flattened[event["step"]][field]) < 1e-5
        assert abs(event["reward"] - flattened[event["step"]]["rewards/total/mean"]) < 1e-5


def test_every_completion_is_logged(demo_run: DemoRun) -> None:
    """Each of the 64 completions per step is an event with question, answers and rewards."""
    outputs = logflume.open_run(demo_run.folder).events("model_output")
    assert 64 * 40 == outputs.num_rows
    counts = outputs.group_by("step").aggregate([("seq", "count")])
    assert [64] * 40 == counts["seq_count"].to_pylist()
    for name in ("question", "true_answer", "model_output", "prompt", "rewards/total"):
        assert 0 == outputs[name].null_count
    correct = pc.filter(outputs["true_answer"], pc.equal(outputs["answer"], outputs["true_answer"]))
    assert 0 < len(correct) < outputs.num_rows


def test_nothing_is_dropped(demo_run: DemoRun) -> None:
    """According to the run's last event, every sink wrote all of its events without a failure."""
    report = logflume.open_run(demo_run.folder).events("pipeline").to_pylist()[-1]
    counts = {name: value for name, value in report.items() if name.startswith("sinks/")}
    assert {"jsonl", "parquet", "tensorboard", "outputs_csv", "console", "log_file"} <= {
        name.split("/")[1] for name in counts
    }
    for name, value in counts.items():
        if name.endswith(("/dropped", "/failed")):
            assert 0 == value
        if name.endswith("/accepted"):
            assert counts[name.replace("accepted", "written")] == value


def test_summary(demo_run: DemoRun) -> None:
    """The script prints the reward at start and end, a curve, and the events of each sink."""
    assert re.search(r"reward: \d\.\d+ → \d\.\d+", demo_run.output)
    assert re.search(r"[▁▂▃▄▅▆▇█]{40}", demo_run.output)
    for sink in ("jsonl", "parquet", "tensorboard", "outputs_csv", "console"):
        assert re.search(rf"{sink} +\d+ +\d+ +0\b", demo_run.output)


def test_next_commands_work_as_printed(demo_run: DemoRun) -> None:
    """The commands that the script suggests work: the page, show, SQL and TensorBoard."""
    commands = [line.strip() for line in demo_run.output.partition("Next")[2].splitlines()[1:]]
    page, show, sql, tensorboard = (command for command in commands if command)
    folder = demo_run.folder.parent.parent
    assert page == show.replace(" show ", " ui ")
    assert re.search(r"Status +finished", _run(show, folder))
    assert re.search(r"\b40\b", _run(sql, folder))
    _assert_serves(tensorboard, folder)


def test_optimized_script_logs_less(tmp_path: Path) -> None:
    """The optimized script logs means over ten steps, and the completions of every tenth batch."""
    run = logflume.open_run(run_demo(tmp_path, "--optimized", "--steps", "20").folder)
    training = run.events("training").to_pylist()
    assert [10, 20] == [event["step"] for event in training]
    assert [10.0, 10.0] == [event["window_steps"] for event in training]
    assert {1, 11} == set(run.events("model_output")["step"].to_pylist())


def _run(command: str, folder: Path) -> str:
    result = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, check=True
    )
    return result.stdout


def _assert_serves(command: str, folder: Path) -> None:
    """Start the printed TensorBoard command on a free port, and query its scalars."""
    server = subprocess.Popen(
        f"exec {command} --port 0",
        shell=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        url = next(
            match[0] for line in server.stderr if (match := re.search(r"http://\S+:\d+/", line))
        )
        deadline = time.monotonic() + 60
        tags = b"{}"
        while b"rewards/total/mean" not in tags and time.monotonic() < deadline:
            tags = urllib.request.urlopen(f"{url}data/plugin/scalars/tags").read()
        assert b"rewards/total/mean" in tags
    finally:
        server.send_signal(signal.SIGKILL)
        server.communicate()


def test_help_of_both_scripts() -> None:
    """`logflume demo --help` lists the options of the scripts."""
    result = subprocess.run(
        [sys.executable, "-m", "logflume", "demo", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--model" in result.stdout
    assert "--steps" in result.stdout
