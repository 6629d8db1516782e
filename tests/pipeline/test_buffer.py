"""The buffer: policies when it is full, order, and the count of every record."""

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


def make_record(number: int, thread: int = 0) -> Record:
    fields = {"thread": thread, "number": number}
    return Record(0, "training", "info", "x", {}, fields, (None, None))


def numbers_of(items: list[BufferItem]) -> list[int]:
    return [item.fields["number"] for item in items if isinstance(item, Record)]


def count_dropped(items: list[BufferItem]) -> int:
    return sum(item.count for item in items if isinstance(item, Dropped))


def layout(items: list[BufferItem]) -> list[str]:
    """Return the numbers and the size of each gap, in order: `["0", "-3", "4"]`."""
    marks = []
    for item in items:
        assert isinstance(item, (Record, Dropped))
        marks.append(f"-{item.count}" if isinstance(item, Dropped) else str(item.fields["number"]))
    return marks


def fill(buffer: Buffer, count: int, start: int = 0, thread: int = 0) -> None:
    for number in range(start, start + count):
        buffer.put(make_record(number, thread))


def take_all(buffer: Buffer) -> list[BufferItem]:
    """Take all items on a separate thread, as the worker does."""
    taken: list[BufferItem] = []
    thread = threading.Thread(target=lambda: taken.extend(buffer.take(len(buffer))))
    thread.start()
    thread.join()
    return taken


class TestPolicies:
    def test_drop_newest(self) -> None:
        """Records beyond the limit are dropped; a gap marks their position."""
        buffer = Buffer(3, WhenFull.DROP_NEWEST)
        fill(buffer, 5)
        assert ["0", "1", "2", "-2"] == layout(take_all(buffer))

        fill(buffer, 4, start=5)
        assert ["5", "6", "7", "-1"] == layout(take_all(buffer))

    def test_drop_oldest(self) -> None:
        """The oldest records are dropped; a gap marks their position."""
        buffer = Buffer(3, WhenFull.DROP_OLDEST)
        fill(buffer, 5)

        assert ["-2", "2", "3", "4"] == layout(take_all(buffer))

    def test_drop_oldest_merges_gaps(self) -> None:
        """Existing gaps are added up and don't count as records."""
        buffer = Buffer(2, WhenFull.DROP_NEWEST)
        fill(buffer, 5)
        buffer.configure(2, WhenFull.DROP_OLDEST, 0.0)
        fill(buffer, 4, start=5)
        items = take_all(buffer)

        assert ["-7", "7", "8"] == layout(items)

    def test_block_waits_for_space(self) -> None:
        """A blocked call continues as soon as the worker has taken a record."""
        buffer = Buffer(1, WhenFull.BLOCK, 60.0)
        buffer.put(make_record(0))
        thread = threading.Thread(target=lambda: buffer.put(make_record(1)))
        thread.start()
        taken: list[BufferItem] = []
        # It wakes the worker before it waits.
        assert buffer.wake.wait(60.0)
        while thread.is_alive():
            taken += take_all(buffer)
        taken += take_all(buffer)

        assert ["0", "1"] == layout(taken)

    def test_block_is_bounded(self) -> None:
        """If the worker stalls, one call waits for the timeout; the others don't wait."""
        buffer = Buffer(1, WhenFull.BLOCK, 0.2)
        buffer.put(make_record(0))
        first_s = duration_s(lambda: buffer.put(make_record(1)))
        others_s = duration_s(lambda: fill(buffer, 100, start=2))

        assert 0.2 <= first_s
        assert others_s < first_s
        assert ["0", "-101"] == layout(take_all(buffer))

    def test_block_waits_again_after_a_stall(self) -> None:
        """Once the worker has taken a record, calls wait for a full buffer again."""
        buffer = Buffer(1, WhenFull.BLOCK, 0.05)
        fill(buffer, 2)
        take_all(buffer)
        buffer.put(make_record(2))

        assert 0.05 <= duration_s(lambda: buffer.put(make_record(3)))

    def test_all_threads_share_one_wait(self) -> None:
        """During a stall, a hundred threads wait concurrently, not one after another."""
        buffer = Buffer(1, WhenFull.BLOCK, 0.2)
        buffer.put(make_record(0))
        threads = [threading.Thread(target=buffer.put, args=[make_record(n)]) for n in range(100)]

        def run() -> None:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert duration_s(run) < 50 * 0.2
        assert ["0", "-100"] == layout(take_all(buffer))

    def test_the_worker_never_waits_for_itself(self) -> None:
        """A record that the worker itself adds to a full buffer is dropped."""
        buffer = Buffer(1, WhenFull.BLOCK, 60.0)
        buffer.take(1)
        fill(buffer, 2)

        assert ["0", "-1"] == layout(take_all(buffer))

    @pytest.mark.parametrize("when_full", POLICIES)
    def test_no_drops_with_free_space(self, when_full: WhenFull) -> None:
        """No policy drops or blocks while there is space."""
        buffer = Buffer(3, when_full)
        for start in range(0, 30, 3):
            fill(buffer, 3, start)
            assert [str(start), str(start + 1), str(start + 2)] == layout(take_all(buffer))


def duration_s(call: Callable[[], Any]) -> float:
    started_s = time.monotonic()
    call()
    return time.monotonic() - started_s


@given(
    when_full=st.sampled_from(POLICIES),
    size=st.integers(1, 5),
    moves=st.lists(st.integers(-4, 6), max_size=30),
)
def test_every_record_is_taken_or_counted(when_full: WhenFull, size: int, moves: list[int]) -> None:
    """All records are taken in order or counted in a gap at their position."""
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
    """With concurrent writers, each thread's order is kept and every record is taken or counted."""
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

    assert 16_000 == len(numbers_of(taken)) + count_dropped(taken)
    for thread_id in range(8):
        mine = [i for i in taken if isinstance(i, Record) and i.fields["thread"] == thread_id]
        assert all(a < b for a, b in pairwise(numbers_of(list(mine))))


@pytest.mark.parametrize("when_full", POLICIES)
def test_gaps_in_seq(when_full: WhenFull) -> None:
    """After an overload, gaps in `seq` match the number and position of dropped records."""
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
    """A dropped item of several records counts each of them."""
    buffer = Buffer(1, policy)
    batch = DeferredRecords(0, (None, None), list, 66)
    for item in (batch, batch) if policy is WhenFull.DROP_NEWEST else (batch, make_record(0)):
        buffer.put(item)
    assert 66 == count_dropped(take_all(buffer))


def make_large_record(size_bytes: int, number: int = 0) -> Record:
    return make_record(number)._replace(fields={"number": number}, size_bytes=size_bytes)


@pytest.mark.parametrize("policy", [WhenFull.DROP_NEWEST, WhenFull.DROP_OLDEST])
def test_memory_is_bounded(policy: WhenFull) -> None:
    """Large records reach the limit in bytes before that in records; drops are counted."""
    buffer = Buffer(1_000, policy, max_bytes=100)
    for number in range(10):
        buffer.put(make_large_record(30, number))
    assert buffer.memory_bytes <= 100
    items = take_all(buffer)

    assert ([0, 1, 2] if policy is WhenFull.DROP_NEWEST else [7, 8, 9]) == numbers_of(items)
    assert 7 == count_dropped(items)
    assert 0 == buffer.memory_bytes


def test_an_empty_buffer_takes_any_record() -> None:
    """An empty buffer accepts a record larger than its limit in bytes."""
    buffer = Buffer(1_000, WhenFull.DROP_NEWEST, max_bytes=100)
    buffer.put(make_large_record(5_000, 0))
    buffer.put(make_large_record(10, 1))
    items = take_all(buffer)

    assert ([0], 1) == (numbers_of(items), count_dropped(items))


def test_a_call_waits_for_memory() -> None:
    """With the policy `block`, a call waits until large records are taken."""
    buffer = Buffer(1_000, WhenFull.BLOCK, 60.0, max_bytes=100)
    buffer.put(make_large_record(90, 0))
    thread = threading.Thread(target=buffer.put, args=[make_large_record(90, 1)])
    thread.start()
    assert buffer.wake.wait(60.0)
    taken = take_all(buffer)
    thread.join(60.0)
    taken += take_all(buffer)

    assert ([0, 1], 0) == (numbers_of(taken), count_dropped(taken))


def test_batches_are_bounded_in_memory() -> None:
    """The size of a batch is limited in bytes too, except for a large first record."""
    buffer = Buffer(1_000)
    for number, size_bytes in enumerate([500, 40, 40, 40]):
        buffer.put(make_large_record(size_bytes, number))

    assert [[0], [1, 2], [3]] == [numbers_of(buffer.take(100, 80)) for _ in range(3)]


def test_refused_records_are_reported() -> None:
    """A buffer that refuses records reports the number refused so far."""
    buffer = Buffer(10)
    buffer.put(make_record(0))
    counts: list[int] = []
    buffer.refuse(counts.append)
    fill(buffer, 3)

    assert [1, 2, 3] == counts
