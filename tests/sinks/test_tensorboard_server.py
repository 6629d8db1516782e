"""The event files in a real TensorBoard, with its default data server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.request import ProxyHandler, Request, build_opener

import pytest

import logflume
from logflume.runs.info import RunInfo
from logflume.sinks.tensorboard.sink import TensorBoardSink

DEADLINE_S = 60.0


def write_attempt(folder: Path, attempt: int, steps: range, loss: float) -> None:
    events: list[dict[str, Any]] = [{"event": "run_started", "hyperparameters/lr": 1e-5}]
    for step in steps:
        events += [
            {"event": "training", "step": step, "loss": loss, "kl": float("nan")},
            {"event": "reward", "step": step, "rewards/a": [0.0, None, 2.0], "rewards/a/mean": 1.0},
            {"event": "model_output", "step": step, "model_output": "```<b>four</b>"},
        ]
    events.append({"event": "run_finished", "status": "finished"})
    run = RunInfo(run="my-run", attempt=attempt)
    with closing(TensorBoardSink(folder, run=run)) as sink:
        for event in events:
            sink.write([{"timestamp": "2026-11-23T06:00:00Z", "step": None} | event])


def wait_for(find: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        if found := find():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"nothing within {DEADLINE_S} s")


class Server:
    """A running TensorBoard.

    Args:
        address: Its URL, such as `http://127.0.0.1:6006/`.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._open = build_opener(ProxyHandler({})).open

    def get(self, path: str) -> Any:
        return self._fetch(Request(f"{self._address}data/plugin/{path}"))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._fetch(Request(f"{self._address}data/plugin/{path}", data, headers))

    def _fetch(self, request: Request) -> Any:
        with self._open(request, timeout=DEADLINE_S) as response:
            return json.load(response)


def is_loaded(server: Server) -> bool:
    """Whether the server has read the last step of the last attempt."""
    if "train/loss" not in server.get("scalars/tags").get("run", {}):
        return False
    loss = server.get("scalars/scalars?run=run&tag=train/loss")
    return bool([6, 2.0] == loss[-1][1:])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run TensorBoard on a folder with one run of two attempts."""
    logs = tmp_path_factory.mktemp("logs")
    write_attempt(logs / "run", 0, range(1, 8), loss=1.0)
    write_attempt(logs / "run", 1, range(5, 7), loss=2.0)
    command = [sys.executable, "-m", "tensorboard.main", "--host=127.0.0.1", "--port=0"]
    console = logs / "console.txt"
    with console.open("wb") as file:
        process = subprocess.Popen([*command, f"--logdir={logs}"], stdout=file, stderr=file)

    def address() -> re.Match[str] | None:
        assert process.poll() is None, console.read_text()
        return re.search(r"http://127\.0\.0\.1:\d+/", console.read_text())

    try:
        running = Server(wait_for(address)[0])
        wait_for(lambda: is_loaded(running))
        yield running
    finally:
        process.kill()
        process.wait()


def test_scalars(server: Server) -> None:
    """Curves have the points of the latest attempt at each step, including NaN."""
    assert {"train/loss", "train/kl", "rewards/a/mean"} == set(server.get("scalars/tags")["run"])
    loss = server.get("scalars/scalars?run=run&tag=train/loss")
    assert [[step, 1.0] for step in range(1, 5)] + [[5, 2.0], [6, 2.0]] == [p[1:] for p in loss]
    assert "NaN" == server.get("scalars/scalars?run=run&tag=train/kl")[0][2]


def test_histograms(server: Server) -> None:
    """The values of a reward, without nulls, are on the Histograms page."""
    first = server.get("histograms/histograms?run=run&tag=rewards/a")[0]
    counts = [count for _, _, count in first[2]]
    assert (1, 2.0, 1.0, 1.0) == (first[1], sum(counts), counts[0], counts[-1])


def test_texts(server: Server) -> None:
    """The Text page shows a completion literally."""
    page = server.get("text/text?run=run&tag=model_output/0")[0]["text"]
    assert "<pre><code>```&lt;b&gt;four&lt;/b&gt;\n</code></pre>" in page


def test_hyperparameters(server: Server) -> None:
    """The HPARAMS page shows the run with its metrics and its status."""
    experiment = server.post("hparams/experiment", {})
    assert ["lr"] == [info["name"] for info in experiment["hparamInfos"]]
    states = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    query = {"allowedStatuses": states, "startIndex": 0, "sliceSize": 10}
    (group,) = server.post("hparams/session_groups", query)["sessionGroups"]
    assert ("my-run", {"lr": 1e-5}) == (group["name"], group["hparams"])
    assert ["STATUS_SUCCESS"] == [session["status"] for session in group["sessions"]]
    assert {"train/loss": 2.0} == {m["name"]["tag"]: m["value"] for m in group["metricValues"]}


def test_custom_scalars(server: Server) -> None:
    """The Custom Scalars page has the layout, and its charts have their curves."""
    layout = server.get("custom_scalars/layout")
    chart = layout["category"][0]["chart"][0]["multiline"]["tag"][0]
    curves = server.get(f"custom_scalars/scalars?run=run&tag={chart}")["tag_to_events"]
    assert ["rewards/a/mean"] == list(curves)


def test_the_command(tmp_path: Path) -> None:
    """`logflume tensorboard` shows each run once, by its id, and pins the curves that matter."""
    for name in ("first", "second"):
        run = logflume.initialize(dir=tmp_path / "logs", run=name)
        logflume.log_reward_metrics(1, {"right": [1.0, 0.0]})
        logflume.log_training_progress(1, {"loss": 1.0, "reward": 0.5})
        assert logflume.shutdown()
        assert run.folder.name == name
    console = tmp_path / "console.txt"
    command = [sys.executable, "-m", "logflume", "tensorboard", "--port", "0"]
    with console.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=tmp_path)
    try:
        address = wait_for(lambda: re.search(r"http://\S+:\d+/", console.read_text()))[0]
        opener = build_opener(ProxyHandler({})).open
        runs = wait_for(lambda: json.load(opener(f"{address}data/runs", timeout=DEADLINE_S)))
        assert ["first", "second"] == sorted(runs)
    finally:
        process.terminate()
        process.wait()
    pinned = re.search(r"pinnedCards=(\S+)#", console.read_text())
    assert pinned
    tags = [card["tag"] for card in json.loads(unquote(pinned[1]))]
    assert ["train/reward", "rewards/right/mean", "train/loss"] == tags
