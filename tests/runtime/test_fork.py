"""Forked processes: no hang, no repeated event, and a journal for each child."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import logflume
from tests.event_helpers import JOURNAL, read
from tests.scripts import CHILDREN, LOG_A_THOUSAND, Script, by_child, check_children

pytestmark = pytest.mark.usefixtures("each_worker")


@pytest.mark.parametrize("ending", ["logflume.shutdown(); os._exit(0)", "sys.exit(0)"])
def test_fork_while_threads_log(ending: str, tmp_path: Path) -> None:
    """Forks during other threads' log calls: no child hangs, and no event is repeated."""
    script = Script(
        tmp_path,
        CHILDREN
        + f"""
start(buffer={{"size": 50, "block_timeout_s": 30}})
stop = threading.Event()

def flood():
    while not stop.is_set():
        log.error("z", n=1)
        logflume.get_logger("new-" + str(time.monotonic_ns() % 1_000))

threads = [threading.Thread(target=flood, daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()
pids = []
for child in range(10):
    pid = os.fork()
    if pid == 0:
        work(child)
        {ending}
    pids.append(pid)
for number in range(1_000):
    log.info("x", number=number)
assert {{0}} == {{wait_for(pid) for pid in pids}}
stop.set()
for thread in threads:
    thread.join()
""",
    )
    check_children(script, children=10)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    """Forked processes of `multiprocessing` log; spawned ones report that they don't."""
    script = Script(
        tmp_path,
        CHILDREN
        + f"""
if __name__ == "__main__":
    start()
    for number in range(1_000):
        log.info("x", number=number)
    context = multiprocessing.get_context("{method}")
    processes = [context.Process(target=work, args=(child,)) for child in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [0, 0] == [process.exitcode for process in processes]
""",
    )
    lost = "logflume: 100 events were not written: no run was open (see initialize())\n" * 2
    # Before Python 3.13 a fork server ends its children without `atexit`.
    of_server = lost if sys.version_info >= (3, 13) else ""
    children, errors = {"fork": (2, ""), "forkserver": (0, of_server), "spawn": (0, lost)}[method]
    check_children(script, children, errors)


def test_a_pool_that_is_terminated(tmp_path: Path) -> None:
    """SIGTERM ends the workers of a pool at once: at most an interval is missing."""
    script = Script(
        tmp_path,
        CHILDREN
        + LOG_A_THOUSAND
        + """
def work_and_flush(child):
    work(child)
    return logflume.flush()

with multiprocessing.get_context("fork").Pool(2) as pool:
    assert all(pool.map(work_and_flush, range(4)))
    pool.map(work, [4])
    # Leaving the block terminates the workers.
assert signal.SIG_DFL is not signal.getsignal(signal.SIGTERM)
logflume.shutdown()
with multiprocessing.get_context("fork").Pool(1) as pool:
    assert signal.SIG_DFL == pool.apply(signal.getsignal, [signal.SIGTERM])
""",
    )

    assert (0, "") == script.end()
    script.check_whole(1_000, "finished")
    logged = by_child(script)
    last = logged.pop(4, [])
    assert {child: list(range(100)) for child in range(4)} == logged
    assert list(range(len(last))) == last


def test_data_loader(tmp_path: Path) -> None:
    """A dataset logs in the workers of torch's DataLoader over two epochs."""
    script = Script(
        tmp_path,
        CHILDREN
        + """
import torch

class Dataset(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        work(index + 4 * epoch)
        return torch.tensor(index)

start()
for epoch in range(2):
    for batch in torch.utils.data.DataLoader(Dataset(), num_workers=2):
        pass
for number in range(1_000):
    log.info("x", number=number)
""",
    )
    check_children(script, children=8)


def test_grandchildren(tmp_path: Path) -> None:
    """A grandchild has a journal of its own, whether or not its parent has logged."""
    script = Script(
        tmp_path,
        CHILDREN
        + LOG_A_THOUSAND
        + """
for child in (0, 2):
    pid = os.fork()
    if pid == 0:
        if child == 0:
            work(0)
        grandchild = os.fork()
        if grandchild == 0:
            work(child + 1)
            sys.exit(0)
        assert 0 == wait_for(grandchild)
        if child == 2:
            work(2)
        sys.exit(0)
    assert 0 == wait_for(pid)
""",
    )
    check_children(script, children=4)


def test_fork_before_initialize(tmp_path: Path) -> None:
    """Events logged before the fork belong to the parent, even if the child starts a run."""
    script = Script(
        tmp_path,
        CHILDREN
        + """
for number in range(1_000):
    log.info("x", number=number)
pid = os.fork()
if pid == 0:
    work(0)
    logflume.initialize(config, dir=sys.argv[1], run="child")
    work(1)
    sys.exit(0)
assert 0 == wait_for(pid)
start()
""",
    )
    check_children(script, children=0)
    events = read(script.folder.parent / "child" / "events.jsonl")
    assert ["y"] * 200 == [e["event"] for e in events if e["event"] in ("x", "y")]


def test_a_child_that_initializes(tmp_path: Path) -> None:
    """A child may start a run of its own; `multiprocessing` ends it without losing events."""
    script = Script(
        tmp_path,
        CHILDREN
        + LOG_A_THOUSAND
        + """
def start_own_run():
    logflume.initialize({**config, "buffer": {"size": 10, "flush_interval_s": 3600}},
                        dir=sys.argv[1], run="child")
    work(0)

process = multiprocessing.get_context("fork").Process(target=start_own_run)
process.start()
process.join()
assert 0 == process.exitcode
""",
    )
    check_children(script, children=0)
    events = read(script.folder.parent / "child" / "events.jsonl")
    assert ["run_started", *["y"] * 100, "run_finished", "pipeline"] == [e["event"] for e in events]
    assert not list(script.folder.parent.glob("child/events-pid*"))


def test_a_child_that_cannot_log(tmp_path: Path) -> None:
    """If its journal can't be opened, the child reports that once and continues."""
    script = Script(
        tmp_path,
        CHILDREN
        + LOG_A_THOUSAND
        + """
logflume.flush()
pid = os.fork()
if pid == 0:
    os.mkdir(f"{sys.argv[1]}/r/events-pid{os.getpid()}.jsonl")
    work(0)
    sys.exit(0)
assert 0 == wait_for(pid)
""",
    )
    code, errors = script.end()

    assert 0 == code
    assert 1 == errors.count("can't log")
    script.check_whole(1_000, "finished")


def test_kinds_are_inherited(tmp_path: Path) -> None:
    """A field that is a number in the parent is a number in the child."""
    run = logflume.initialize(JOURNAL, dir=tmp_path)
    logflume.get_logger().info("x", value=1)
    assert logflume.flush()
    pid = os.fork()
    if pid == 0:
        logflume.get_logger().info("x", value="text")
        logflume.shutdown()
        os._exit(0)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    (path,) = run.folder.glob("events-pid*.jsonl")
    event: dict[str, Any] = read(path)[0]
    assert '{"value":"text"}' == event["extras"]


def test_fork_right_after_initialize(tmp_path: Path) -> None:
    """A process forked while `run_started` is being prepared blocks nothing."""
    script = Script(
        tmp_path,
        """
        start()
        pid = os.fork()
        if pid == 0:
            os.close(1), os.close(2)
            wait()
        log.info("x", number=0)
        say(logflume.flush())
        os.kill(pid, signal.SIGKILL)
        """,
    )
    assert "True" == script.line()
    assert (0, "") == script.end()
    assert [0] == script.numbers()
