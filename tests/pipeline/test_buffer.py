"""The buffer: what it does when full, its order, and that every record is counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import logflume
from logflume.config.model import WhenFull
from logflume.pipeline.buffer import Buffer
from logflume.pipeline.records import BufferItem, DeferredRecords, Dropped, Record
from logflume.testing import capture_events
from tests.event_helpers import own
from tests.fake_sinks import HeldSink

POLICIES = list(WhenFull)


def record(number: int, thread: int = 0) -> Record:
    fields = {"thread": thread, "number": number}
    return Record(0, "training", "info", "x", {}, fields, (None, None))


def numbers(items: list[BufferItem]) -> list[int]:
    return [item.fields["number"] for item in items if isinstance(item, Record)]


def lost(items: list[BufferItem]) -> int:
    return sum(item.count for item in items if isinstance(item, Dropped))


def layout(items: list[BufferItem]) -> list[str]:
    """Return the numbers, and how many are missing where: `["0", "-3", "4"]`."""
    marks = []
    for item in items:
        assert isinstance(item, (Record, Dropped))
        marks.append(f"-{item.count}" if isinstance(item, Dropped) else str(item.fields["number"]))
    return marks


def fill(buffer: Buffer, count: int, start: int = 0, thread: int = 0) -> None:
    for number in range(start, start + count):
        buffer.put(record(number, thread))


def drain(buffer: Buffer) -> list[BufferItem]:
    """Take everything, on a thread of its own as the worker does."""
    taken: list[BufferItem] = []
    thread = threading.Thread(target=lambda: taken.extend(buffer.take(len(buffer))))
    thread.start()
    thread.join()
    return taken


class TestPolicies:
    def test_drop_newest(self) -> None:
        """What comes when it is full is dropped, and its place in the order is marked."""
        buffer = Buffer(3, WhenFull.DROP_NEWEST)
        fill(buffer, 5)
        assert ["0", "1", "2", "-2"] == layout(drain(buffer))

        fill(buffer, 4, start=5)
        assert ["5", "6", "7", "-1"] == layout(drain(buffer))

    def test_drop_oldest(self) -> None:
        """The oldest make room, and the mark stands where they stood."""
        buffer = Buffer(3, WhenFull.DROP_OLDEST)
        fill(buffer, 5)

        assert ["-2", "2", "3", "4"] == layout(drain(buffer))

    def test_drop_oldest_takes_over_older_marks(self) -> None:
        """Marks that are in there already are added up, not counted as records."""
        buffer = Buffer(2, WhenFull.DROP_NEWEST)
        fill(buffer, 5)
        buffer.configure(2, WhenFull.DROP_OLDEST, 0.0)
        fill(buffer, 4, start=5)
        items = drain(buffer)

        assert ["-7", "7", "8"] == layout(items)

    def test_block_waits_for_room(self) -> None:
        """A call that waits goes on as soon as the worker has taken something."""
        buffer = Buffer(1, WhenFull.BLOCK, 60.0)
        buffer.put(record(0))
        thread = threading.Thread(target=lambda: buffer.put(record(1)))
        thread.start()
        taken: list[BufferItem] = []
        # It rings for the worker before it waits.
        assert buffer.wake.wait(60.0)
        while thread.is_alive():
            taken += drain(buffer)
        taken += drain(buffer)

        assert ["0", "1"] == layout(taken)

    def test_block_is_bounded(self) -> None:
        """When nothing moves, one call waits for the timeout, and the others don't wait at all."""
        buffer = Buffer(1, WhenFull.BLOCK, 0.2)
        buffer.put(record(0))
        first_s = duration_s(lambda: buffer.put(record(1)))
        others_s = duration_s(lambda: fill(buffer, 100, start=2))

        assert 0.2 <= first_s
        assert others_s < first_s
        assert ["0", "-101"] == layout(drain(buffer))

    def test_block_waits_again_after_the_worker_has_moved(self) -> None:
        """A stall ends when something is taken: the next full buffer is waited for again."""
        buffer = Buffer(1, WhenFull.BLOCK, 0.05)
        fill(buffer, 2)
        drain(buffer)
        buffer.put(record(2))

        assert 0.05 <= duration_s(lambda: buffer.put(record(3)))

    def test_all_threads_share_one_wait(self) -> None:
        """A hundred threads that run into a stall wait at the same time, not one after another."""
        buffer = Buffer(1, WhenFull.BLOCK, 0.2)
        buffer.put(record(0))
        threads = [threading.Thread(target=buffer.put, args=[record(n)]) for n in range(100)]

        def run() -> None:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert duration_s(run) < 50 * 0.2
        assert ["0", "-100"] == layout(drain(buffer))

    def test_the_worker_never_waits_for_itself(self) -> None:
        """A record that the worker itself puts is dropped when there is no room."""
        buffer = Buffer(1, WhenFull.BLOCK, 60.0)
        buffer.take(1)
        fill(buffer, 2)

        assert ["0", "-1"] == layout(drain(buffer))

    @pytest.mark.parametrize("when_full", POLICIES)
    def test_an_empty_place_is_used(self, when_full: WhenFull) -> None:
        """No policy does anything while there is room."""
        buffer = Buffer(3, when_full)
        for start in range(0, 30, 3):
            fill(buffer, 3, start)
            assert [str(start), str(start + 1), str(start + 2)] == layout(drain(buffer))


def duration_s(call: Callable[[], Any]) -> float:
    started_s = time.monotonic()
    call()
    return time.monotonic() - started_s


@given(
    when_full=st.sampled_from(POLICIES),
    size=st.integers(1, 5),
    moves=st.lists(st.integers(-4, 6), max_size=30),
)
def test_nothing_is_unaccounted_for(when_full: WhenFull, size: int, moves: list[int]) -> None:
    """Whatever is put and taken: put = taken + lost, in order, with each gap where it happened."""
    buffer = Buffer(size, when_full, 0.0)
    buffer.configure(size, when_full, 0.0)
    put = 0
    items: deque[BufferItem] = deque()
    for move in moves:
        if move >= 0:
            fill(buffer, move, start=put)
            put += move
        else:
            items += buffer.take(-move)
        assert len(buffer) <= 2 * size + 1
    while len(buffer):
        items += buffer.take(3)

    position = 0
    for item in items:
        if isinstance(item, Dropped):
            position += item.count
        else:
            assert isinstance(item, Record)
            assert position == item.fields["number"]
            position += 1
    assert put == position


@pytest.mark.parametrize("when_full", POLICIES)
def test_many_threads(when_full: WhenFull) -> None:
    """With many writers each thread's order holds, and put = taken + lost."""
    buffer = Buffer(50, when_full, 0.01)
    threads = [
        threading.Thread(target=fill, args=[buffer, 2_000], kwargs={"thread": thread})
        for thread in range(8)
    ]
    taken: list[BufferItem] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        buffer.wake.wait(0.001)
        taken += buffer.take(64)
    taken += buffer.take(len(buffer))

    assert 16_000 == len(numbers(taken)) + lost(taken)
    for thread_id in range(8):
        mine = [i for i in taken if isinstance(i, Record) and i.fields["thread"] == thread_id]
        assert all(a < b for a, b in pairwise(numbers(list(mine))))


@pytest.mark.parametrize("when_full", POLICIES)
def test_gaps_in_seq(when_full: WhenFull) -> None:
    """In a run that was overloaded, `seq` has gaps exactly where and as many as were dropped."""
    sink = HeldSink()
    buffer = {"size": 10, "when_full": str(when_full), "block_timeout_s": 0.01}
    with capture_events(
        sinks={"memory": sink}, buffer=buffer, root={"level": "INFO", "sinks": ["memory"]}
    ):
        assert sink.entered.wait(60.0)
        log = logflume.get_logger()
        for number in range(100):
            log.info("x", number=number)
        sink.go.set()
        assert logflume.flush()
        log.info("x", number=100)
    report = logflume.report()

    assert report is not None
    assert report.dropped > 0
    events = own(sink.events)
    dropped = 101 - len(events)
    assert dropped == report.dropped
    assert sink.events[-1]["seq"] + 1 == len(sink.events) + dropped
    offsets = {int(e["number"]) - e["seq"] for e in events}
    assert 1 == len(offsets)
    assert report.sinks["memory"]["accepted"] == report.sinks["memory"]["written"]


@pytest.mark.parametrize("policy", [WhenFull.DROP_NEWEST, WhenFull.DROP_OLDEST])
def test_a_dropped_batch_counts_all_its_events(policy: WhenFull) -> None:
    """A record that stands for several events is counted as so many when it is dropped."""
    buffer = Buffer(1, policy)
    batch = DeferredRecords(0, (None, None), list, 66)
    for item in (batch, batch) if policy is WhenFull.DROP_NEWEST else (batch, record(0)):
        buffer.put(item)
    assert 66 == lost(drain(buffer))


def text(size_bytes: int, number: int = 0) -> Record:
    return record(number)._replace(fields={"number": number}, size_bytes=size_bytes)


@pytest.mark.parametrize("policy", [WhenFull.DROP_NEWEST, WhenFull.DROP_OLDEST])
def test_memory_is_bounded(policy: WhenFull) -> None:
    """Large records fill a buffer that has room for more of them; each dropped one is counted."""
    buffer = Buffer(1_000, policy, max_bytes=100)
    for number in range(10):
        buffer.put(text(30, number))
    assert buffer.memory_bytes <= 100
    items = drain(buffer)

    assert ([0, 1, 2] if policy is WhenFull.DROP_NEWEST else [7, 8, 9]) == numbers(items)
    assert 7 == lost(items)
    assert 0 == buffer.memory_bytes


def test_an_empty_buffer_takes_any_record() -> None:
    """A record larger than the whole limit is taken when nothing else is in the buffer."""
    buffer = Buffer(1_000, WhenFull.DROP_NEWEST, max_bytes=100)
    buffer.put(text(5_000, 0))
    buffer.put(text(10, 1))
    items = drain(buffer)

    assert ([0], 1) == (numbers(items), lost(items))


def test_a_call_waits_for_memory() -> None:
    """With the policy `block` a call waits until large records have been taken."""
    buffer = Buffer(1_000, WhenFull.BLOCK, 60.0, max_bytes=100)
    buffer.put(text(90, 0))
    thread = threading.Thread(target=buffer.put, args=[text(90, 1)])
    thread.start()
    assert buffer.wake.wait(60.0)
    taken = drain(buffer)
    thread.join(60.0)
    taken += drain(buffer)

    assert ([0, 1], 0) == (numbers(taken), lost(taken))


def test_batches_are_bounded_in_memory() -> None:
    """What is taken at once is bounded in bytes, too, but for a first record that is larger."""
    buffer = Buffer(1_000)
    for number, size_bytes in enumerate([500, 40, 40, 40]):
        buffer.put(text(size_bytes, number))

    assert [[0], [1, 2], [3]] == [numbers(buffer.take(100, 80)) for _ in range(3)]


def test_what_is_refused_is_reported() -> None:
    """A buffer that takes no more records reports how many it has refused by then."""
    buffer = Buffer(10)
    buffer.put(record(0))
    counts: list[int] = []
    buffer.refuse(counts.append)
    fill(buffer, 3)

    assert [1, 2, 3] == counts
