"""The parts of the benchmark, run with the baseline and logflume, so that `make bench` works."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.cost.__main__ import BEGIN, END, PAGE, replace_between_markers
from tests.benchmarks.cost.all_peers import measure_imports, measure_peers
from tests.benchmarks.cost.background_load import Load, background_load
from tests.benchmarks.cost.latency import MIN_CALLS, latency_summary, percentile
from tests.benchmarks.cost.markdown_tables import (
    format_number,
    latency_table,
    resource_table,
    target_table,
)
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.pace import make_calls
from tests.benchmarks.cost.plan import FULL, QUICK, SCALARS_BURST
from tests.benchmarks.cost.plot import draw
from tests.benchmarks.cost.solo_runner import run_solo
from tests.benchmarks.cost.subprocesses import run_measurement
from tests.benchmarks.cost.targets import evaluate_targets
from tests.benchmarks.cost.workload import SCALAR_NAMES
from tests.benchmarks.peers.peer_list import BASELINE, OURS

SHORT = QUICK._replace(
    measurements=[
        Measurement(seconds=60, max_calls=200),
        Measurement(rate=1_000.0, background="python", seconds=60, max_calls=100),
        Measurement(workload="completions", seconds=60, max_calls=5),
    ],
    worst_minutes=0.002,
    memory_events=500,
    overload_events=500,
    sustained_events=500,
)
SLOW_CALL_NS = 2_000_000
KEYS = {
    *("peer", "label", "processes", "calls", "p50_us", "p99_us", "p999_us", "worst_us"),
    *("ours_p50", "ours_cpu", "cpu_us_per_call", "disk_bytes_per_call"),
    *("peak_bytes", "calling_s", "close_s"),
    *Measurement._fields,
}


@given(st.lists(st.integers(0, 10**9), min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_the_smallest_value_that_its_share_does_not_exceed(
    values: list[int], share: float
) -> None:
    """At least that share of the values is no larger; for any smaller value this is not true."""
    result = percentile(sorted(values), share)

    assert result in values
    assert sum(value <= result for value in values) >= share * len(values) - 1e-6
    assert sum(value < result for value in values) < share * len(values)


def test_percentiles_of_known_numbers() -> None:
    """Of 1 to 1,000 µs the median is 500 µs and the 99.9th percentile 999 µs."""
    summary = latency_summary([n * 1_000 for n in range(1_000, 0, -1)])

    assert {
        "calls": 1_000,
        "p50_us": 500.0,
        "p99_us": 990.0,
        "p999_us": 999.0,
        "worst_us": 1_000.0,
    } == summary


@given(st.lists(st.integers(0, 10**9), max_size=1_200))
def test_percentiles_of_too_few_calls_are_omitted(took_ns: list[int]) -> None:
    """A percentile needs enough calls; the worst call needs only one."""
    summary = latency_summary(took_ns)

    assert [len(took_ns) >= fewest for fewest in MIN_CALLS.values()] == [
        summary[key] is not None for key in ("p50_us", "p99_us", "p999_us")
    ]
    assert (max(took_ns) / 1e3 if took_ns else None) == summary["worst_us"]


def test_slow_calls_follow_each_other_until_the_schedule_is_met() -> None:
    """Calls slower than their rate have no pause between them, and each has its own duration."""
    called: list[int] = []

    def call_slowly(number: int) -> None:
        called.append(number)
        ends_ns = time.perf_counter_ns() + SLOW_CALL_NS
        while time.perf_counter_ns() < ends_ns:
            pass

    took_ns = make_calls(call_slowly, rate=1e9 / SLOW_CALL_NS * 10, seconds=0.05, max_calls=10**6)

    assert list(range(len(took_ns))) == called
    assert min(took_ns) >= SLOW_CALL_NS
    assert len(took_ns) < 10**6


def test_the_number_of_calls_is_limited() -> None:
    """A burst has at most `max_calls` calls, whatever its time."""
    assert 7 == len(make_calls(lambda _: None, rate=None, seconds=60, max_calls=7))


@pytest.mark.parametrize("load", ["python", "matmul"])
def test_a_background_load_ends_with_its_block(load: Load) -> None:
    """A thread runs within the block and has ended after it."""
    before = set(threading.enumerate())
    with background_load(load):
        (thread,) = set(threading.enumerate()) - before

    assert not thread.is_alive()


def test_measurements_survive_json() -> None:
    """Every measurement of the plans equals its copy that went through JSON."""
    for measurement in (*FULL.measurements, *QUICK.measurements):
        assert measurement == Measurement.from_json(measurement.to_json())


def test_a_step_has_22_scalars() -> None:
    """A step has 10 metrics, and mean, std, min and max of three reward functions."""
    assert 22 == len(set(SCALAR_NAMES))
    assert 12 == sum(name.startswith("rewards/") for name in SCALAR_NAMES)


def test_a_failed_process_gives_the_reason() -> None:
    """The last line of the process's output is the message of the error."""
    with pytest.raises(RuntimeError, match="KeyError: 'no such peer'"):
        run_measurement("no such peer", Measurement(max_calls=1))


def test_a_complete_benchmark(tmp_path: Path) -> None:
    """A short benchmark gives every key, every target, the tables and the plot."""
    measurements, missing = measure_peers(SHORT.measurements, [BASELINE, OURS], SHORT.repeats)
    ours = run_solo(SHORT)
    targets = evaluate_targets(measurements, ours)
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
    # Targets that need other peers, more calls or the demo are not measured here.
    assert [] == [t for t in targets if BASELINE in t.metric and t.is_met is None]
    assert len(targets) == target_table(targets).count("\n") - 1
    json.dumps({"measurements": measurements, "ours": ours, "targets": targets})
    imports = measure_imports(1, [BASELINE, OURS])
    for table in (latency_table(measurements), resource_table(measurements, imports)):
        assert [BASELINE, OURS] == re.findall(r"^\| (\w[^|]*?) \|", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.347, "0.35"), (1.49, "1.5"), (26.7, "27"), (99.96, "100"), (1_349, "1,300")],
)
def test_numbers_have_two_significant_digits(value: float, text: str) -> None:
    """Numbers are rounded to two significant digits, because more would be noise."""
    assert text == format_number(value)


def test_the_readme_has_the_markers() -> None:
    """New tables replace what is between the markers, and nothing else."""
    text = PAGE.read_text()
    changed = replace_between_markers(text, "the new tables")

    assert "the new tables" in changed
    assert changed == replace_between_markers(changed, "the new tables")
    assert [text.partition(BEGIN)[0], text.partition(END)[2]] == [
        changed.partition(BEGIN)[0],
        changed.partition(END)[2],
    ]
