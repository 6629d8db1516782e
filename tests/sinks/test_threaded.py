"""`Threaded`: a thread and a bounded queue for any sink."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from logflume.config.model import WhenFull
from logflume.pipeline.threaded import Threaded
from logflume.protocols import BackgroundSink, Event
from logflume.testing import MemorySink
from tests.fake_sinks import FaultySink, HeldSink, wait_until


def batch(*numbers: int) -> list[Event]:
    return [{"number": number} for number in numbers]


def numbers(events: Sequence[Event]) -> list[int]:
    return [event["number"] for event in events]


class Drops:
    """Counts what is dropped, by reason."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, count: int, reason: str) -> None:
        self.counts[reason] += count


@contextmanager
def held_up(
    size: int, when_full: WhenFull, **options: Any
) -> Iterator[tuple[HeldSink, Threaded, Drops]]:
    """A queue in front of a sink that has one batch, `[0]`, in hand and stands still."""
    sink, drops = HeldSink(), Drops()
    threaded = Threaded(sink, size, when_full, on_drop=drops, **options)
    threaded.write(batch(0))
    assert sink.entered.wait(30.0)
    try:
        yield sink, threaded, drops
    finally:
        sink.go.set()
        threaded.close()


def test_writes_in_order_on_one_thread_of_its_own() -> None:
    """Batches reach the sink whole, in order, and never on the thread that wrote them."""
    threads = set()

    class Watched(MemorySink):
        def write(self, events: Sequence[Event]) -> None:
            threads.add(threading.current_thread().name)
            super().write(events)

    sink = Watched()
    threaded = Threaded(sink, name="csv")
    for number in range(0, 100, 2):
        threaded.write(batch(number, number + 1))
    threaded.close()

    assert list(range(100)) == numbers(sink.events)
    assert {"logflume-csv"} == threads
    assert sink.is_closed
    assert isinstance(threaded, BackgroundSink)


def test_drop_newest() -> None:
    """What doesn't fit is dropped as a whole batch and counted; nothing else is."""
    with held_up(3, WhenFull.DROP_NEWEST) as (sink, threaded, drops):
        for group in (batch(1, 2), batch(3, 4), batch(5)):
            threaded.write(group)

    assert [0, 1, 2, 5] == numbers(sink.events)
    assert {"queue_full": 2} == drops.counts


def test_drop_oldest() -> None:
    """The batches that have waited longest make room; the one in the sink's hands stays."""
    with held_up(3, WhenFull.DROP_OLDEST) as (sink, threaded, drops):
        for group in (batch(1), batch(2), batch(3), batch(4, 5)):
            threaded.write(group)

    assert [0, 3, 4, 5] == numbers(sink.events)
    assert {"queue_full": 2} == drops.counts


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_a_batch_larger_than_the_queue(when_full: WhenFull) -> None:
    """An empty queue takes any batch, for it would never fit otherwise."""
    with held_up(3, when_full, block_timeout_s=0.01) as (sink, threaded, drops):
        threaded.write(batch(1, 2, 3, 4, 5))

    assert [0, 1, 2, 3, 4, 5] == numbers(sink.events)
    assert {} == drops.counts


def test_block() -> None:
    """A writer waits for room, and goes on when the sink does."""
    with held_up(1, WhenFull.BLOCK, block_timeout_s=30.0) as (sink, threaded, drops):
        threaded.write(batch(1))
        writer = threading.Thread(target=threaded.write, args=[batch(2)])
        writer.start()
        sink.go.set()
        writer.join()

    assert [0, 1, 2] == numbers(sink.events)
    assert {} == drops.counts


def test_block_is_bounded() -> None:
    """While nothing moves only the first writer waits; what can't be queued is counted."""
    with held_up(1, WhenFull.BLOCK, block_timeout_s=0.05) as (sink, threaded, drops):
        for number in range(1, 1_000):
            threaded.write(batch(number))

    assert [0, 1] == numbers(sink.events)
    assert {"queue_full": 998} == drops.counts


def test_flush_and_drain() -> None:
    """`flush` returns when all is written and the sink is flushed; `drain` says whether it is."""
    flushed = []

    class Watched(HeldSink):
        def flush(self) -> None:
            flushed.append(numbers(self.events))

    sink = Watched()
    threaded = Threaded(sink)
    threaded.write(batch(1))
    assert not threaded.drain(0.01)
    sink.go.set()
    threaded.write(batch(2))
    threaded.flush()
    threaded.close()

    assert [1, 2] == flushed[-1]


def test_a_flush_does_not_wait_for_what_comes_after() -> None:
    """Under a load that never ends, `drain` returns as soon as what came before is written."""
    stop = threading.Event()
    sink = MemorySink()
    threaded = Threaded(sink, 1_000)

    def load() -> None:
        while not stop.is_set():
            threaded.write(batch(1))

    writer = threading.Thread(target=load)
    writer.start()
    assert wait_until(lambda: len(sink.events) > 10)
    assert threaded.drain(30.0)
    stop.set()
    writer.join()
    threaded.close()


def test_flush_times_out() -> None:
    """A sink that stands still makes `flush` raise, not hang."""
    with held_up(10, WhenFull.BLOCK, close_timeout_s=0.05) as (sink, threaded, _):
        with pytest.raises(TimeoutError, match=r"0\.05 s"):
            threaded.flush()
        sink.go.set()
        assert threaded.drain(30.0)


def test_close_with_a_sink_that_hangs() -> None:
    """`close` gives up after its timeout, and counts all that the sink did not take."""
    sink, drops = HeldSink(), Drops()
    threaded = Threaded(sink, on_drop=drops, close_timeout_s=0.05)
    threaded.write(batch(0, 1))
    assert sink.entered.wait(30.0)
    threaded.write(batch(2, 3, 4))
    threaded.close()

    assert {"shutdown_timeout": 5} == drops.counts
    sink.go.set()
    # What is left of the thread closes the sink, and writes nothing more than it had in hand.
    assert wait_until(lambda: sink.is_closed)
    assert [0, 1] == numbers(sink.events)


def test_close_twice() -> None:
    """The second `close` does nothing."""
    sink = MemorySink()
    threaded = Threaded(sink)
    threaded.write(batch(1))
    threaded.close()
    threaded.close()

    assert [1] == numbers(sink.events)


@pytest.mark.parametrize("error", [OSError(28, "disk full"), SystemExit(1)])
def test_an_error_reaches_the_caller(error: BaseException) -> None:
    """An unguarded sink's error is raised once, by the next call; the thread goes on."""
    sink = FaultySink(lambda events: error if numbers(events) == [1] else None)
    threaded = Threaded(sink)
    threaded.write(batch(1))
    assert threaded.drain(30.0)
    with pytest.raises(type(error)):
        threaded.write(batch(2))
    threaded.write(batch(3))
    threaded.close()

    assert [3] == numbers(sink.events)


def test_an_error_of_the_last_call() -> None:
    """An error of the sink's own `close` is raised by `close`."""
    sink = FaultySink(lambda _events: None)
    sink.close_error = OSError(5, "Input/output error")
    threaded = Threaded(sink)

    with pytest.raises(OSError, match="Input/output"):
        threaded.close()


def test_flushes_on_its_own() -> None:
    """A sink that asks for it is flushed at its interval, without anybody calling `flush`."""
    flushed = threading.Event()

    class Eager(MemorySink):
        flush_interval_s = 0.01

        def flush(self) -> None:
            flushed.set()

    threaded = Threaded(Eager())

    assert flushed.wait(30.0)
    threaded.close()
