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
from logflume.protocols import Event
from logflume.testing import MemorySink
from tests.fake_sinks import FaultySink, HeldSink, wait_until


def batch(*numbers: int) -> list[Event]:
    return [{"number": number} for number in numbers]


def numbers(events: Sequence[Event]) -> list[int]:
    return [event["number"] for event in events]


class Drops:
    """Counts dropped events by reason."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, count: int, reason: str) -> None:
        self.counts[reason] += count


@contextmanager
def blocked_sink(
    size: int, when_full: WhenFull, **options: Any
) -> Iterator[tuple[HeldSink, Threaded, Drops]]:
    """Yield a queue in front of a sink that blocks while it writes the batch `[0]`."""
    sink, drops = HeldSink(), Drops()
    threaded = Threaded(sink, size, when_full, on_drop=drops, **options)
    threaded.write(batch(0))
    assert sink.entered.wait(30.0)
    try:
        yield sink, threaded, drops
    finally:
        sink.go.set()
        threaded.close()


def test_writes_in_order_on_its_own_thread() -> None:
    """The sink gets complete batches, in order, and never on the caller's thread."""
    threads = set()

    class RecordingSink(MemorySink):
        def write(self, events: Sequence[Event]) -> None:
            threads.add(threading.current_thread().name)
            super().write(events)

    sink = RecordingSink()
    threaded = Threaded(sink, name="csv")
    for number in range(0, 100, 2):
        threaded.write(batch(number, number + 1))
    threaded.close()

    assert list(range(100)) == numbers(sink.events)
    assert {"logflume-csv"} == threads
    assert sink.is_closed


def test_drop_newest() -> None:
    """A batch that doesn't fit is dropped as a whole and counted; no other batch is."""
    with blocked_sink(3, WhenFull.DROP_NEWEST) as (sink, threaded, drops):
        for group in (batch(1, 2), batch(3, 4), batch(5)):
            threaded.write(group)

    assert [0, 1, 2, 5] == numbers(sink.events)
    assert {"queue_full": 2} == drops.counts


def test_drop_oldest() -> None:
    """The oldest queued batches are dropped; the one that the sink is writing is kept."""
    with blocked_sink(3, WhenFull.DROP_OLDEST) as (sink, threaded, drops):
        for group in (batch(1), batch(2), batch(3), batch(4, 5)):
            threaded.write(group)

    assert [0, 3, 4, 5] == numbers(sink.events)
    assert {"queue_full": 2} == drops.counts


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_a_batch_larger_than_the_queue(when_full: WhenFull) -> None:
    """An empty queue accepts any batch, which would otherwise never fit."""
    with blocked_sink(3, when_full, block_timeout_s=0.01) as (sink, threaded, drops):
        threaded.write(batch(1, 2, 3, 4, 5))

    assert [0, 1, 2, 3, 4, 5] == numbers(sink.events)
    assert {} == drops.counts


def test_block() -> None:
    """A writer waits for room, and continues when the sink does."""
    with blocked_sink(1, WhenFull.BLOCK, block_timeout_s=30.0) as (sink, threaded, drops):
        threaded.write(batch(1))
        writer = threading.Thread(target=threaded.write, args=[batch(2)])
        writer.start()
        sink.go.set()
        writer.join()

    assert [0, 1, 2] == numbers(sink.events)
    assert {} == drops.counts


def test_block_is_bounded() -> None:
    """While the sink is blocked, only the first write waits; batches that don't fit are counted."""
    with blocked_sink(1, WhenFull.BLOCK, block_timeout_s=0.05) as (sink, threaded, drops):
        for number in range(1, 1_000):
            threaded.write(batch(number))

    assert [0, 1] == numbers(sink.events)
    assert {"queue_full": 998} == drops.counts


def test_flush_and_drain() -> None:
    """`flush` returns once everything is written and flushed; `drain` returns whether it is."""
    flushed = []

    class RecordingSink(HeldSink):
        def flush(self) -> None:
            flushed.append(numbers(self.events))

    sink = RecordingSink()
    threaded = Threaded(sink)
    threaded.write(batch(1))
    assert not threaded.drain(0.01)
    sink.go.set()
    threaded.write(batch(2))
    threaded.flush()
    threaded.close()

    assert [1, 2] == flushed[-1]


def test_drain_does_not_wait_for_later_batches() -> None:
    """Under a continuous load, `drain` returns as soon as all earlier batches are written."""
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
    """A blocked sink makes `flush` raise instead of hang."""
    with blocked_sink(10, WhenFull.BLOCK, close_timeout_s=0.05) as (sink, threaded, _):
        with pytest.raises(TimeoutError, match=r"0\.05 s"):
            threaded.flush()
        sink.go.set()
        assert threaded.drain(30.0)


def test_close_with_a_sink_that_hangs() -> None:
    """`close` gives up after its timeout, and counts all events that the sink did not write."""
    sink, drops = HeldSink(), Drops()
    threaded = Threaded(sink, on_drop=drops, close_timeout_s=0.05)
    threaded.write(batch(0, 1))
    assert sink.entered.wait(30.0)
    threaded.write(batch(2, 3, 4))
    threaded.close()

    assert {"shutdown_timeout": 5} == drops.counts
    sink.go.set()
    # The remaining thread finishes the current batch, closes the sink and writes nothing else.
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
    """An error of an unguarded sink is raised once, by the next call, and the thread continues."""
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
    """An error in the sink's `close` is raised by `close`."""
    sink = FaultySink(lambda _events: None)
    sink.close_error = OSError(5, "Input/output error")
    threaded = Threaded(sink)

    with pytest.raises(OSError, match="Input/output"):
        threaded.close()


def test_flushes_at_intervals() -> None:
    """A sink with a `flush_every_s` is flushed without a call of `flush`."""
    flushed = threading.Event()

    class RegularlyFlushed(MemorySink):
        flush_every_s = 0.01

        def flush(self) -> None:
            flushed.set()

    threaded = Threaded(RegularlyFlushed())

    assert flushed.wait(30.0)
    threaded.close()
