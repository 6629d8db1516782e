"""Where a fault of one's own processor or sink was raised."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.guard import Failure, call_guarded
from logflume.pipeline.faults import describe_at
from logflume.pipeline.origins import format_trace
from logflume.runs.info import RunInfo
from logflume.sinks.console import ConsoleSink
from tests.event_helpers import read

PLUGIN = """import json

class Sink:
    detachable = True

    def write(self, events):
        {call}

    def flush(self):
        pass

    def close(self):
        pass

def process(logger, method_name, event_dict):
    {call}
    return event_dict

process.detachable = True

def boom():
    return (0.5).boom
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Write a module with a processor and a sink that call something; the path finds it."""

    def write(call: str, folder: str = "mine") -> str:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my_plugin.py").write_text(PLUGIN.format(call=call))
        monkeypatch.syspath_prepend(tmp_path / folder)
        path = [str(tmp_path / folder), str(Path.cwd())]
        monkeypatch.setenv("PYTHONPATH", ":".join(path))
        return "my_plugin"

    yield write
    sys.modules.pop("my_plugin", None)


def fault_of(folder: Path, worker: str, **config: Any) -> dict[str, Any]:
    """Run a pipeline with a part that fails; return the report of that."""
    sinks = {"jsonl": {"path": "{dir}/{run}/events.jsonl"}, **config.pop("sinks", {})}
    run = logflume.initialize(
        {"worker": worker, "root": {"sinks": list(sinks)}, "sinks": sinks, **config}, dir=folder
    )
    logflume.get_logger().info("probe", number=1)
    logflume.flush()
    logflume.shutdown()
    (fault,) = (e for e in read(run.folder / "events.jsonl") if e.get("status") == "failed")
    return fault


@pytest.mark.parametrize("worker", ["process", "thread"])
@pytest.mark.parametrize("part", ["sink", "processor"])
def test_a_fault_in_ones_own_code(part: str, worker: str, plugin: Any, tmp_path: Path) -> None:
    """The reason has file and line of the innermost frame, and the event the traceback."""
    module = plugin("boom()")
    own: dict[str, Any] = {
        "sink": {"sinks": {"own": {"type": f"{module}:Sink"}}},
        "processor": {"processors": [f"{module}:process"]},
    }
    fault = fault_of(tmp_path, worker, **own[part])

    place = "my_plugin.py:22"
    assert f"AttributeError: 'float' object has no attribute 'boom' ({place})" == fault["reason"]
    assert f"({place}). Training" in fault["message"]
    files = re.findall(r'File "(.*)", line', fault["exception/traceback"])
    assert ["my_plugin.py", "my_plugin.py"] == [Path(file).name for file in files]


@pytest.mark.parametrize("folder", ["mine", "site-packages"])
def test_a_fault_in_a_library(folder: str, plugin: Any, tmp_path: Path) -> None:
    """The place is that of the processor, which may be installed, not that in what it calls."""
    module = plugin('json.loads("{{")', folder)
    fault = fault_of(tmp_path, "thread", processors=[f"{module}:process"])

    assert fault["reason"].startswith("JSONDecodeError: ")
    assert fault["reason"].endswith(" (my_plugin.py:16)")
    assert "decoder.py" in fault["exception/traceback"]


def test_a_fault_of_a_built_in_sink(tmp_path: Path) -> None:
    """An error in logflume's own code has no place and no traceback."""
    with closing(ConsoleSink(tmp_path / "training.log", run=RunInfo(run="r"))) as sink:
        failure = call_guarded(sink.write, [{}])

    assert isinstance(failure, Failure)
    assert "KeyError: 'timestamp'" == describe_at(failure.error)
    assert format_trace(failure.error) is None


def test_secrets_in_a_traceback(plugin: Any, tmp_path: Path) -> None:
    """A traceback is searched for secrets, wherever they are in it."""
    module = plugin('raise ValueError("password=hunter2hunter2")')
    fault = fault_of(tmp_path, "process", processors=[f"{module}:process"])

    assert "my_plugin.py" in fault["exception/traceback"]
    assert "hunter2" not in json.dumps(fault)


def test_the_console(plugin: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The console shows the place, and leaves the traceback to the files."""
    module = plugin("boom()")
    fault_of(tmp_path, "thread", processors=[f"{module}:process"], sinks={"console": {}})
    printed = capsys.readouterr().err

    assert "(my_plugin.py:22)" in printed
    assert "Traceback" not in printed
