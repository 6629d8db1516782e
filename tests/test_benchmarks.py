"""The benchmark's own parts, on the floor and logflume, so that `make bench` can't rot."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.cost.__main__ import BEGIN, END, README, between_markers
from tests.benchmarks.cost.asking import ask_ours
from tests.benchmarks.cost.beside import Beside, busy
from tests.benchmarks.cost.everyone import ask_imports, measure_all
from tests.benchmarks.cost.figures import FEWEST, figures, percentile
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.pace import make_calls
from tests.benchmarks.cost.plan import QUICK, SCALARS_BURST, WHOLE
from tests.benchmarks.cost.plot import draw
from tests.benchmarks.cost.processes import run
from tests.benchmarks.cost.tables import caller_table, number, target_table, whole_table
from tests.benchmarks.cost.targets import judge
from tests.benchmarks.cost.work import NAMES
from tests.benchmarks.peers.catalogue import FLOOR, OURS

SHORT = QUICK._replace(
    measurements=[
        Measurement(seconds=60, most=200),
        Measurement(rate=1_000.0, beside="python", seconds=60, most=100),
        Measurement(work="completions", seconds=60, most=5),
    ],
    worst_minutes=0.002,
    memory_events=500,
    overload_events=500,
    sustained_events=500,
)
LONG_NS = 2_000_000
KEYS = {
    *("peer", "label", "processes", "calls", "p50_us", "p99_us", "p999_us", "worst_us"),
    *("ours_p50", "ours_cpu", "cpu_us_per_call", "disk_bytes_per_call"),
    *("peak_bytes", "calling_s", "close_s"),
    *Measurement._fields,
}


@given(st.lists(st.integers(0, 10**9), min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_the_least_value_that_its_share_does_not_exceed(
    values: list[int], share: float
) -> None:
    """At least that share of the values is no larger; of any smaller value that is not so."""
    found = percentile(sorted(values), share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) < share * len(values)


def test_percentiles_of_known_numbers() -> None:
    """The median of 1 to 1,000 µs is 500, the slowest in a thousand 999."""
    found = figures([n * 1_000 for n in range(1_000, 0, -1)])

    assert {
        "calls": 1_000,
        "p50_us": 500.0,
        "p99_us": 990.0,
        "p999_us": 999.0,
        "worst_us": 1_000.0,
    } == found


@given(st.lists(st.integers(0, 10**9), max_size=1_200))
def test_too_few_calls_have_no_percentile(took_ns: list[int]) -> None:
    """A percentile is told of calls enough only; the worst call always is, if there was any."""
    found = figures(took_ns)

    assert [len(took_ns) >= fewest for fewest in FEWEST.values()] == [
        found[key] is not None for key in ("p50_us", "p99_us", "p999_us")
    ]
    assert (max(took_ns) / 1e3 if took_ns else None) == found["worst_us"]


def test_a_late_schedule_is_caught_up_with() -> None:
    """Slow calls follow each other without a pause until the time is over, each with its own."""
    called: list[int] = []

    def take_long(number: int) -> None:
        called.append(number)
        ends_ns = time.perf_counter_ns() + LONG_NS
        while time.perf_counter_ns() < ends_ns:
            pass

    took_ns = make_calls(take_long, rate=1e9 / LONG_NS * 10, seconds=0.05, most=10**6)

    assert list(range(len(took_ns))) == called
    assert min(took_ns) >= LONG_NS
    assert len(took_ns) < 10**6


def test_no_more_calls_are_made_than_asked_for() -> None:
    """A burst has a bound of calls, whatever the time."""
    assert 7 == len(make_calls(lambda _: None, rate=None, seconds=60, most=7))


@pytest.mark.parametrize("kind", ["python", "matmul"])
def test_what_goes_on_beside_ends_with_its_block(kind: Beside) -> None:
    """A thread works within the block, and is over after it."""
    before = set(threading.enumerate())
    with busy(kind):
        (thread,) = set(threading.enumerate()) - before

    assert not thread.is_alive()


def test_a_measurement_goes_through_a_command_line() -> None:
    """What is measured reads back as it was."""
    for what in (*WHOLE.measurements, *QUICK.measurements):
        assert what == Measurement.from_json(what.to_json())


def test_the_work_is_the_same_for_all() -> None:
    """A step has 22 numbers: 10 metrics, and mean, std, min and max of three functions."""
    assert 22 == len(set(NAMES))
    assert 12 == sum(name.startswith("rewards/") for name in NAMES)


def test_a_process_that_fails_says_why() -> None:
    """The last line that it printed is the reason that is reported."""
    with pytest.raises(RuntimeError, match="KeyError: 'no such peer'"):
        run("no such peer", Measurement(most=1))


def test_everything_is_measured_and_told(tmp_path: Path) -> None:
    """From processes of their own to the tables and the plot, with every key and every target."""
    measurements, missing = measure_all(SHORT.measurements, [FLOOR, OURS], SHORT.turns)
    ours = ask_ours(SHORT)
    targets = judge(measurements, ours)
    draw(measurements, tmp_path / "plots" / "plot.png")

    assert {} == missing
    assert [KEYS] * 6 == [set(entry) for entry in measurements]
    assert [200, 200] == [e["calls"] for e in measurements if e["label"] == SCALARS_BURST]
    assert all(entry["disk_bytes_per_call"] > 0 for entry in measurements)
    assert all(entry["cpu_us_per_call"] > 0 for entry in measurements if entry["peer"] == OURS)
    assert 500 == ours["memory"]["events"]
    assert 0 == ours["sustained"]["dropped"]
    assert ours["filtered"]["ns"] > 0
    assert {"structlog_s", "added_s"} == set(ours["import"])
    assert (tmp_path / "plots" / "plot.png").read_bytes().startswith(b"\x89PNG")
    # What is about other peers, needs more calls or the demo has no answer here.
    assert [] == [t for t in targets if FLOOR in t.what and t.is_met is None]
    assert len(targets) == target_table(targets).count("\n") - 1
    json.dumps({"measurements": measurements, "ours": ours, "targets": targets})
    imports = ask_imports(1, [FLOOR, OURS])
    for table in (caller_table(measurements), whole_table(measurements, imports)):
        assert [FLOOR, OURS] == re.findall(r"^\| (\w[^|]*?) \|", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.347, "0.35"), (1.49, "1.5"), (26.7, "27"), (99.96, "100"), (1_349, "1,300")],
)
def test_numbers_are_told_in_two_figures(value: float, text: str) -> None:
    """More would be noise."""
    assert text == number(value)


def test_the_readme_has_the_markers() -> None:
    """New tables go between them, and nothing else changes."""
    text = README.read_text()
    changed = between_markers(text, "the new tables")

    assert "the new tables" in changed
    assert changed == between_markers(changed, "the new tables")
    assert [text.partition(BEGIN)[0], text.partition(END)[2]] == [
        changed.partition(BEGIN)[0],
        changed.partition(END)[2],
    ]
