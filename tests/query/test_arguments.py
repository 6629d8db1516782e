"""The arguments of queries: a value of a wrong type is an error in the caller's terms."""

from __future__ import annotations

import warnings
from inspect import getmembers, isfunction, signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import logflume
from logflume.exceptions import ArgumentError, RunError
from logflume.query.open_run import Run
from tests.query.training_run import start


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run with a completion."""
    info = start(tmp_path)
    logflume.log_model_output("q", "2", "3", step=1, rewards={"form": 1.0, "total": 1.0})
    logflume.shutdown()
    return logflume.open_run(info.folder)


@pytest.mark.parametrize(
    ("query", "arguments", "expected"),
    [
        ("outputs", {"worst": "a"}, "outputs: worst='a': expected a whole number or None"),
        ("outputs", {"best": 1.5}, "outputs: best=1.5: expected a whole number or None"),
        ("outputs", {"min_reward": "a"}, "outputs: min_reward='a': expected a number or None"),
        ("outputs", {"correct": "x"}, "outputs: correct='x': expected True or False or None"),
        ("outputs", {"columns": 3}, "outputs: columns=3: expected a list of names"),
        ("outputs", {"groups": 3}, "outputs: groups=3: expected numbers of groups"),
        ("outputs", {"search": 3}, "search=3: expected a string; for a pattern, add regex=True"),
        ("metrics", {"events": 3}, "metrics: events=3: expected a string or a list of names"),
        ("metrics", {"max_points": "a"}, "metrics: max_points='a': expected a whole number"),
        ("prompt", {"prompt_id": 3}, "prompt: prompt_id=3: expected a string"),
        ("prompts", {"limit": "a"}, "prompts: limit='a': expected a whole number"),
        ("pass_at", {"k": "a"}, "pass_at: k='a': expected a whole number or a list of whole"),
        ("sql", {"query": 3}, "sql: query=3: expected a string"),
    ],
)
def test_a_wrong_type(run: Run, query: str, arguments: dict[str, Any], expected: str) -> None:
    """The error names the query, the argument, the value, and what is expected."""
    with pytest.raises(ArgumentError) as error:
        getattr(run, query)(**arguments)
    assert expected in str(error.value)


QUERIES = [
    name
    for name, method in getmembers(Run, isfunction)
    if not name.startswith(("_", "salvaged")) and len(signature(method).parameters) > 1
]


@pytest.mark.parametrize("query", QUERIES)
def test_an_unknown_argument(run: Run, query: str) -> None:
    """The error of each query names it and the argument, and what there is instead."""
    with pytest.raises(ArgumentError, match=f"^{query}: filtr=2: there is no such argument; "):
        getattr(run, query)(filtr=2)


def test_missing_and_excessive_arguments(run: Run) -> None:
    """The errors name the query, not the class that has it."""
    with pytest.raises(logflume.QueryError, match=r"^prompt: missing a required argument"):
        run.prompt()  # type: ignore[call-arg]
    with pytest.raises(logflume.QueryError, match=r"^prompts: too many positional arguments"):
        run.prompts(2)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match=r"outputs: stepps=2: .* did you mean 'steps'"):
        run.outputs(stepps=2)  # type: ignore[call-arg]


def test_positional_arguments(run: Run) -> None:
    """Positional arguments are checked, each of several names, too."""
    with pytest.raises(ArgumentError, match="metrics: names=3: expected a string"):
        run.metrics("rewards/*", 3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="events: event_type=3: expected a string"):
        run.events(3)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="3: expected the path of a run"):
        logflume.open_run(3)  # type: ignore[arg-type]


def test_similar_types(run: Run) -> None:
    """Numbers of numpy, and any collection of names, are accepted."""
    arguments: Any = {"worst": np.int64(1), "min_reward": np.float32(0), "columns": {"step"}}
    assert 1 == len(run.outputs(**arguments))


def test_warnings_point_at_the_caller(run: Run) -> None:
    """A warning of a checked query has the line that called it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.events("trainig")
        run.metrics("nothing*")
        run.outputs(worst=1, by="advantage")
    assert {__file__} == {warning.filename for warning in caught}


def test_a_prompt_in_a_run_without_completions(tmp_path: Path) -> None:
    """The error for a prompt says so if there are no completions at all."""
    info = start(tmp_path)
    logflume.get_training_logger().info("training", loss=1.0, step=1)
    logflume.shutdown()
    with pytest.raises(logflume.QueryError, match="prompt 'a': there are no completions here"):
        logflume.open_run(info.folder).prompt("a")
