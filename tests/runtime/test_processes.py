"""The processes of one run: each event identifies its process, and none is repeated."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest

import logflume
from logflume.values.schema import event_schema
from tests.event_helpers import JOURNAL, identities, read
from tests.scripts import CHILDREN, WITH_PARQUET, Script, by_child, check_children


def test_the_tag_of_a_child(tmp_path: Path) -> None:
    """A child's events have its tag and are numbered from 0; the main process has no tag."""
    run = logflume.initialize(JOURNAL, dir=tmp_path)
    logflume.get_logger().info("x", n=1)
    pid = os.fork()
    if pid == 0:
        logflume.get_logger().info("x", process="mine")
        logflume.shutdown()
        os._exit(0)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    logflume.get_logger().info("x", process="mine")
    logflume.shutdown()

    (path,) = run.folder.glob("events-pid*.jsonl")
    child = read(path)
    assert f"events-pid{pid}.jsonl" == path.name
    assert [f"pid{pid}"] * 2 == [e["process"] for e in child]
    events = list(logflume.open_run(run.folder))
    assert 2 == len([e for e in events if "process" in e])
    # A field with this reserved name is kept in `extras` like any other.
    assert ['{"process":"mine"}'] * 2 == [e["extras"] for e in events if "extras" in e]
    assert 1 == max(identities(events).values())
    for event in read(path):
        jsonschema.validate(event, event_schema())


def test_a_reused_process_id(tmp_path: Path) -> None:
    """A child with the process id of an earlier one has a tag and a journal of its own."""
    run = logflume.initialize(JOURNAL, dir=tmp_path)
    assert logflume.flush()
    pid = os.fork()
    if pid == 0:
        (run.folder / f"events-pid{os.getpid()}.jsonl").write_text("")
        (run.folder / f"events-pid{os.getpid()}-2.000001.jsonl.zst").write_text("")
        logflume.get_logger().info("x", n=1)
        logflume.shutdown()
        os._exit(0)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    events = read(run.folder / f"events-pid{pid}-3.jsonl")
    assert {f"pid{pid}-3"} == {e["process"] for e in events}


def test_children_of_several_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of two ranks may have the same process id: the file name includes the rank."""
    monkeypatch.setenv("RANK", "3")
    run = logflume.initialize(JOURNAL, dir=tmp_path)
    pid = os.fork()
    if pid == 0:
        logflume.get_logger().info("x", n=1)
        logflume.shutdown()
        os._exit(0)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    (first, *_) = read(run.folder / f"events-pid{pid}-rank3.jsonl")
    assert (3, f"pid{pid}") == (first["rank"], first["process"])


def test_fork_during_writes(tmp_path: Path) -> None:
    """Forks while the worker writes, rotates, compresses and closes parts, with several threads."""
    script = Script(
        tmp_path,
        CHILDREN
        + WITH_PARQUET
        + """
config["sinks"]["jsonl"]["rotate_bytes"] = 20_000
config["sinks"]["parquet"]["rotate_events"] = 50
start(buffer={"size": 1000, "block_timeout_s": 30, "flush_interval_s": 0.001})
stop = threading.Event()
counts = [0, 0]

def flood(thread):
    while not stop.is_set():
        log.info("flood", thread=thread, number=counts[thread])
        counts[thread] += 1

threads = [threading.Thread(target=flood, args=(thread,), daemon=True) for thread in range(2)]
for thread in threads:
    thread.start()
pids = []
for child in range(20):
    pid = os.fork()
    if pid == 0:
        work(child)
        sys.exit(0)
    pids.append(pid)
assert {0} == {wait_for(pid) for pid in pids}
stop.set()
for thread in threads:
    thread.join()
say(counts)
""",
    )
    counts = json.loads(script.line())
    code, errors = script.end()
    assert (0, "") == (code, errors)

    events = list(logflume.open_run(script.folder))
    assert 1 == max(identities(events).values())
    for thread, count in enumerate(counts):
        numbers = [e["number"] for e in events if e.get("thread") == thread]
        assert list(range(count)) == numbers
    main = sorted(e["seq"] for e in events if "process" not in e)
    assert list(range(len(main))) == main
    assert {child: list(range(100)) for child in range(20)} == by_child(script)
    assert sum(counts) == pq.read_table(script.folder / "parquet" / "flood").num_rows


@pytest.mark.parametrize("context", ["fork", "forkserver", "spawn"])
def test_data_loader_workers(context: str, tmp_path: Path) -> None:
    """Forked DataLoader workers are logged; others start new programs.

    Those may open the run as concurrent attempts.
    """
    script = Script(
        tmp_path,
        CHILDREN
        + f"""
import torch

class Dataset(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        work(index)
        return torch.tensor(index)

def init_worker(_worker):
    if "{context}" != "fork":
        start(when_claimed="next_attempt")

if __name__ == "__main__":
    start()
    loader = torch.utils.data.DataLoader(
        Dataset(), num_workers=2, multiprocessing_context="{context}", worker_init_fn=init_worker
    )
    for batch in loader:
        pass
    for number in range(1_000):
        log.info("x", number=number)
""",
    )
    if context == "fork":
        check_children(script, children=4)
        return
    assert (0, "") == script.end()
    script.check_whole(1_000, "finished")
    events = list(logflume.open_run(script.folder))
    assert 1 == max(identities(events).values())
    assert 400 == len([e for e in events if e["event"] == "y" and e["attempt"] in (1, 2)])


def test_subprocess(tmp_path: Path) -> None:
    """Programs started while threads log don't hang, and report the events they don't write."""
    script = Script(
        tmp_path,
        CHILDREN
        + """
import subprocess
start()
code = "import logflume; logflume.get_logger().info('y', child=0, number=0)"
for number in range(1_000):
    log.info("x", number=number)
    if number % 200 == 0:
        subprocess.run([sys.executable, "-c", code], check=True)
        subprocess.run("true", check=True, preexec_fn=os.getpid)
""",
    )
    lost = "logflume: 1 event was not written: no run was open (see initialize())\n"
    check_children(script, children=0, errors=lost * 5)
