"""`measure_generations`: which answers count as correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.processors.measure_generations import MeasureGenerations


def is_correct(text: str, **values: Any) -> Any:
    """Return the correctness of one completion; None if it isn't measured."""
    event = {"event": "model_output", "model_output": text, **values}
    return MeasureGenerations()(None, "info", event).get("quality/correct")


@pytest.mark.parametrize(
    ("answer", "true_answer"),
    [
        ("1,000", "1000"),
        ("1000", "1,000"),
        ("1000.0", "1,000"),
        ("$5", "5"),
        ("-$5.50", -5.5),
        ("$1,234,567.00", 1234567),
        ("+5.", 5.0),
        (".5", "0.50"),
        ("1e-07", 1e-07),
        ("0.1", 0.1),
        ("-0", 0),
        ("100000000000000000001", 10**20 + 1),
        ("9" * 5000, "9" * 5000 + ".0"),
        ("  New \n York ", "New York"),
        ("True", True),
        ("7", "3 + 4 = 7\n#### 7"),
        ("1,600", "She sold 2*800=<<2*800=1600>>1,600 clips.\n#### 1,600"),
        ("7", "So $x = \\boxed{7}$."),
        ("7", "<reasoning>3 + 4</reasoning><answer> 7 </answer>"),
        ("\\boxed{7}", "7"),
    ],
)
def test_equal_answers(answer: str, true_answer: Any) -> None:
    """Numbers are compared as numbers, other text up to white space."""
    assert is_correct(f"<answer>{answer}</answer>", true_answer=true_answer) is True


@pytest.mark.parametrize(
    ("answer", "true_answer"),
    [
        ("7", "8"),
        ("1,00", "100"),
        ("100000000000000000000", 10**20 + 1),
        ("about 7", "7"),
        ("5%", "5"),
        ("newyork", "New York"),
        ("nan", "NaN"),
        ("1e99999", "2e99999"),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", "7"),
        ("", "7"),
    ],
)
def test_different_answers(answer: str, true_answer: Any) -> None:
    """Any other answer is wrong, and so is a missing answer."""
    assert is_correct(f"<answer>{answer}</answer>", true_answer=true_answer) is False


@pytest.mark.parametrize("unknown", [None, "", " ", float("nan"), [7], {"a": 7}, 1 << 9999])
def test_no_true_answer(unknown: Any) -> None:
    """Without a true answer, correctness isn't measured."""
    assert is_correct("<answer>7</answer>", true_answer=unknown) is None


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("It is \\boxed{7}", "7", True),
        ("It is \\boxed{7}", None, True),
        ("Not \\boxed{8} but \\boxed{ 7 }.", None, True),
        ("It is \\boxed{7", None, None),
        ("3 + 4 = 7\n#### 7", None, True),
        ("3 + 4 = 8\n####  $8.0 \n", None, False),
        ("3 + 4 = 7 #### 7", None, True),
        ("#### 8\nNo:\n#### 7\n\nQuestion: 5 + 5?", None, True),
        ("3 + 4 = 7\r\n#### 7\r\n", None, True),
        ("#### 7. Add\nis a heading", None, None),
        ("#### 7 steps\n#### Solution\n####", None, None),
        ("The answer is 7", None, None),
        ("The answer is 7", "7.0", True),
        ("<answer>7", None, None),
        ("<answer></answer>", None, False),
        ("<answer>8</answer>", "7", False),
        ("<answer>#### 7</answer>", None, True),
        ("<answer>8</answer><answer>7</answer>", "8", False),
    ],
)
def test_which_answer_counts(text: str, answer: str | None, expected: bool | None) -> None:
    """Tags, then the field `answer`, then a box, then the number of `####`; else it is unknown."""
    assert expected is is_correct(text, answer=answer, true_answer="7")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model_output": "<answer> 7 </answer>"}, "7"),
        ({"model_output": "It is \\boxed{7}"}, "7"),
        ({"model_output": "<answer>7</answer>", "answer": "8"}, "8"),
        ({"model_output": "<answer>7</answer>", "messages": "[]"}, None),
        ({"model_output": "7"}, None),
    ],
)
def test_the_answer_is_added(fields: dict[str, Any], expected: str | None) -> None:
    """An event gets the answer that its text has, and keeps the one that was logged."""
    event = {"event": "model_output", **fields}
    assert expected == MeasureGenerations()(None, "info", dict(event)).get("answer")
    columns: dict[str, Sequence[Any]] = {name: [value] * 2 for name, value in event.items()}
    measured = MeasureGenerations().process_columns(columns)
    assert measured is not None
    assert [expected] * 2 == list(measured.get("answer", [None] * 2))


@given(st.integers(-(10**9), 10**9))
def test_any_number(number: int) -> None:
    """An integer in any notation equals itself and not its neighbour."""
    money = f"${number:,}".replace("$-", "-$")
    for text in (f"{number}", f"{number:,}", f"{number}.00", f"{number:,}.0", money):
        answer = f"<answer>{text}</answer>"
        assert is_correct(answer, true_answer=number) is True
        assert is_correct(answer, true_answer=number + 1) is False


def test_what_was_logged_is_kept() -> None:
    """A correctness that the user logged isn't overwritten, and counts in the mean."""
    process = MeasureGenerations()
    event = {"event": "model_output", "model_output": "4", "true_answer": "4", "generation": 1}
    for value in (True, False):
        logged = {**event, "quality/correct": value}
        assert value is process(None, "info", dict(logged))["quality/correct"]
    columns: dict[str, Sequence[Any]] = {name: [value] * 2 for name, value in event.items()}
    columns["quality/correct"] = [True, True]
    measured = process.process_columns(columns)
    assert measured is not None
    assert [True, True] == measured["quality/correct"]
    means = process(None, "info", {"event": "generation", "generation": 1})
    assert 0.75 == means["quality/correct/mean"]


def test_the_mean_where_some_have_no_answer() -> None:
    """A completion without an answer isn't correct where others have one; else there is no mean."""
    process = MeasureGenerations()
    for generation, texts in enumerate([["4", "5"], ["4", "<answer>4</answer>"]]):
        for text in texts:
            event = {"event": "model_output", "model_output": text, "generation": generation}
            process(None, "info", {**event, "true_answer": "4"})
    without, some = (
        process(None, "info", {"event": "generation", "generation": generation})
        for generation in range(2)
    )
    assert "quality/correct/mean" not in without
    assert 0.5 == some["quality/correct/mean"]
