"""What the console shows of a training, on real terminals of several widths and elsewhere."""

from __future__ import annotations

import os
import pty
import re
import termios
import time
from collections.abc import Iterator
from contextlib import closing, redirect_stderr
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from logflume.exceptions import ConfigError
from logflume.logger.channels import CHANNELS
from logflume.runs.info import RunInfo
from logflume.sinks.console import ConsoleSink
from logflume.values.columnar import EventColumns

RUN = RunInfo(run="r")
COLOUR = re.compile(r"\x1b\[[\d;]*m")

GRPO = {
    "reward": 1.7,
    "rewards/correctness_reward/mean": 1.25,
    "rewards/format_reward/mean": 0.45,
    "rewards/format_reward/std": 0.1,
    "loss": -0.018,
    "completions/mean_length": 15.7,
    "completions/clipped_ratio": 0.05,
    "kl": 0.01,
    "learning_rate": 1e-5,
    "epoch": 0.5,
    "num_tokens": 12_345.0,
}


def event(event_type: str, step: int | None = 1, seconds: float = 0.0, /, **fields: Any) -> Any:
    """Return a finished event, this many seconds after six o'clock."""
    return {
        "timestamp": f"2026-11-23T06:00:{seconds:09.6f}Z",
        "level": "info",
        "logger": "training",
        "event": event_type,
        "run": "r",
        "attempt": 0,
        "rank": 0,
        "seq": 17,
        "step": step,
        **fields,
    }


class Screen:
    """A terminal as standard error."""

    def __init__(self, columns: int | None) -> None:
        self.columns = columns
        if columns is None:
            self._end, writing = os.pipe()
        else:
            self._end, writing = pty.openpty()
            termios.tcsetwinsize(writing, (24, columns))
        self._stream = os.fdopen(writing, "w", encoding="utf-8")

    def lines(self, *events: Any, **options: Any) -> list[str]:
        """Return what a console prints of the events, without colours."""
        return self.lines_of_batches(*([one] for one in events), **options)

    def lines_of_batches(self, *batches: Any, **options: Any) -> list[str]:
        """Return what a console prints of several batches."""
        with redirect_stderr(self._stream), closing(ConsoleSink(run=RUN, **options)) as sink:
            for batch in batches:
                sink.write(batch)
        return self._read()

    def _read(self) -> list[str]:
        self._stream.write("END\n")
        self._stream.flush()
        written = b""
        while not written.endswith((b"END\n", b"END\r\n")):
            written += os.read(self._end, 65_536)
        return COLOUR.sub("", written.decode()).splitlines()[:-1]

    def close(self) -> None:
        self._stream.close()
        os.close(self._end)


@pytest.fixture
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """A terminal of the width of the test's parameter; 80 cells without one."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    made = Screen(getattr(request, "param", 80))
    yield made
    made.close()
    monkeypatch.undo()
    time.tzset()


def with_total(monkeypatch: pytest.MonkeyPatch, total: int) -> None:
    monkeypatch.setattr(CHANNELS, "total_steps", total)


EXPECTED = {
    80: "reward 1.70  corr 1.25  fmt .450  loss  -.018  ETA 14 s",
    100: "reward 1.70  corr 1.25  fmt .450  loss  -.018  len 15.7  clip   5%  ETA 14 s",
    140: "reward 1.70  corr 1.25  fmt .450  loss  -.018  len 15.7  clip   5%  kl .010  lr 1e-5  "
    "0.5 s/step  ETA 14 s",
    None: "reward 1.70  corr 1.25  fmt .450  loss  -.018  ETA 14 s",
}


@pytest.mark.parametrize(("screen", "width"), [(w, w) for w in EXPECTED], indirect=["screen"])
def test_a_step_is_one_line_that_fits(
    screen: Screen, width: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step is one line with as many of its main metrics as the terminal has room for."""
    with_total(monkeypatch, 40)
    first, *_, last = screen.lines(*(event("training", n, n / 2, **GRPO) for n in range(1, 13)))

    assert "06:00:00  step  1/40  reward 1.70" == first[:33]
    assert f"06:00:06  step 12/40  {EXPECTED[width]}" == last
    assert cell_len(last) <= (width or 80)


@pytest.mark.parametrize("screen", [140], indirect=True)
def test_columns_keep_their_places(screen: Screen) -> None:
    """A metric keeps its column, even if a step lacks another metric."""
    lines = screen.lines(
        event("training", 1, **GRPO),
        event("training", 2, loss=0.5),
        event("training", 3, **{**GRPO, "loss": 123.4}),
    )

    assert 1 == len({line.index("loss") for line in lines})
    assert lines[0].index("len") == lines[2].index("len")


@pytest.mark.parametrize("screen", [140], indirect=True)
def test_of_a_histogram_and_an_image_a_step_has_the_mean(screen: Screen) -> None:
    """Other lines have the start of an image's path, too."""
    image = "media/0123456789abcdef0123456789abcdef.png"
    histogram = {"a/n": 9, "a/nonfinite": 0, "a/mean": 0.5, "a/std": 2.0, "a/histogram": [9.0]}
    step, _, probe = screen.lines(
        event("training", loss=0.25, image=image, **histogram),
        event("training", 2, loss=0.25),
        event("probe", 2, image=image, **histogram),
    )

    assert ["step", "1", "loss", ".250", "a/mean", ".500"] == step[10:].split()
    assert "step 2  probe image=media/01234567….png a/mean=0.5" == probe[10:]


def test_rewards_and_metrics_of_a_step_share_its_line(screen: Screen) -> None:
    """In a plain loop, a step whose rewards and metrics come in two events is still one line."""
    events = []
    for step in range(1, 5):
        events.append(event("reward", step, **{"rewards/total/mean": 1.0, "rewards/a/mean": 0.5}))
        events.append(event("training", step, loss=0.25))
    lines = screen.lines(*events)

    assert ["step 1", "step 2", "step 3", "step 4"] == [line[10:16] for line in lines]
    assert {"reward 1.00  a .500  loss   .250"} == {line[20:52] for line in lines}


def test_the_other_order(screen: Screen) -> None:
    """The metrics may come before the rewards."""
    lines = screen.lines(
        event("training", 1, loss=0.25),
        event("reward", 1, **{"rewards/a/mean": 0.5}),
        event("training", 2, loss=0.25),
        event("reward", 2, **{"rewards/a/mean": 0.5}),
    )

    assert ["a .500  loss   .250"] * 2 == [line[20:] for line in lines]


def test_several_reports_of_a_step_are_their_mean(screen: Screen) -> None:
    """Accumulated batches of a step are one line with their means, once this is known."""
    lines = screen.lines(
        *(event("training", step, loss=loss) for step in (1, 2, 3) for loss in (0.25, 0.75))
    )

    assert ["step 3    loss   .500"] == [line[10:31] for line in lines if "step 3" in line]


@pytest.mark.parametrize("screen", [120], indirect=True)
def test_an_evaluation_is_set_off(screen: Screen) -> None:
    """An evaluation has a line of its own, with columns of its own."""
    lines = screen.lines(
        event("training", 1, loss=0.5), event("evaluation", 1, mode="eval", accuracy=0.71)
    )

    assert ["06:00:00  step 1    loss   .500", "06:00:00  eval 1    acc .710"] == lines


@pytest.mark.parametrize("screen", [120], indirect=True)
def test_the_events_of_an_evaluation_are_one_line(screen: Screen) -> None:
    """Metrics and rewards of an evaluation are joined, in either order, before the next step."""
    metrics, rewards = {"accuracy": 0.71}, {"rewards/total/mean": 1.5}
    pairs = [("evaluation", metrics), ("reward", rewards)]
    lines = screen.lines(
        *(
            one
            for step in (1, 2, 3, 4)
            for one in (
                event("training", step, loss=0.5),
                *(event(t, step, mode="eval", **f) for t, f in pairs[:: -1 if step % 3 else 1]),
            )
        )
    )

    assert [
        line
        for step in (1, 2, 3, 4)
        for line in (
            f"06:00:00  step {step}    loss   .500",
            f"06:00:00  eval {step}    reward 1.50  acc .710",
        )
    ] == lines


@pytest.mark.parametrize("screen", [120], indirect=True)
def test_two_evaluations_at_a_step_are_two_lines(screen: Screen) -> None:
    """Each `evaluation` event of a step, such as that of another data set, has a line."""
    lines = screen.lines(
        *(event("evaluation", 1, mode="eval", accuracy=accuracy) for accuracy in (0.25, 0.75))
    )

    assert ["06:00:00  eval 1    acc .250", "06:00:00  eval 1    acc .750"] == lines


def test_lines_of_a_message(screen: Screen) -> None:
    """A message of several lines is indented and broken between words; nothing moves the cursor."""
    text = "The learning rate may be too high\nfor this model\x1b[2J: " + "the reward falls, " * 5
    lines = screen.lines(event("message", message=text, level="warning"))

    assert "06:00:00  WARNING  step 1  The learning rate may be too high" == lines[0]
    assert (
        r"          for this model\x1b[2J: the reward falls, the reward falls, the reward"
        == lines[1]
    )
    assert all(line.startswith(" " * 10) and cell_len(line) <= 80 for line in lines[1:])


def test_an_alert(screen: Screen) -> None:
    """An alert is a sentence, with its cause and what to try, if it has them."""
    lines = screen.lines(
        event(
            "alert",
            level="warning",
            message="The reward rises.",
            cause="A lenient pattern.",
            try_next="A strict one.",
        )
    )

    assert [
        "06:00:00  ALERT  step 1  The reward rises.",
        "          cause: A lenient pattern.",
        "          try: A strict one.",
    ] == lines


def test_a_python_warning_is_short(screen: Screen) -> None:
    """A warning of Python is shown without folders and the line of code."""
    text = "/a/b/training_args.py:15: FutureWarning: `x` is deprecated\n  warnings.warn(\n"
    lines = screen.lines(
        event("message", None, logger="py.warnings", level="warning", message=text)
    )

    assert ["06:00:00  WARNING  FutureWarning: `x` is deprecated (training_args.py:15)"] == lines


def test_a_python_warning_is_shown_once(screen: Screen) -> None:
    """A warning that a library repeats is shown the first time; other messages are repeated."""
    text = "/a/b.py:15: FutureWarning: `x` is deprecated\n  f(\n"
    warnings = [
        event("message", step, logger="py.warnings", level="warning", message=text)
        for step in (1, 2)
    ]
    messages = [event("message", step, message="the same") for step in (1, 2)]
    lines = screen.lines(*warnings, *messages)

    assert (1, 2) == tuple(sum(word in line for line in lines) for word in ("Future", "same"))


def test_a_completion_every_fifty_steps(screen: Screen) -> None:
    """One completion is shown with its rewards at the first step, and then every 50 steps."""
    output = {"question": "3 + 4?", "model_output": "It is\n数学 🙂 7", "true_answer": "7"}
    rewards = {"rewards/correctness": 2.0, "rewards/total": 2.5, "answer": "7"}
    events: list[Any] = []
    for step in range(1, 101):
        events.append(event("model_output", step, **output, **rewards))
        events.append(event("training", step, loss=0.5))
    lines = screen.lines(*events)

    titles = [line for line in lines if "completion at step" in line]
    shown = [re.findall(r"step (\d+)", title) for title in titles]
    assert [["1"], ["50"], ["100"]] == shown
    assert "· reward 2.50 · corr 2.00 ─" in titles[0]
    frame = lines[1:7]
    assert {80} == {cell_len(line) for line in frame}
    assert "数学 🙂 7" in frame[4]
    assert "answer 7 · correct answer 7" in frame[5]


def test_rewards_come_before_the_time_left(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there isn't room for all, reward functions are shown, and the time left is not."""
    with_total(monkeypatch, 2000)
    names = ("correctness_reward", "format_reward", "brevity")
    rewards = {f"rewards/{name}/mean": 1.0 for name in names}
    lines = screen.lines(
        *(event("training", step, step, loss=0.5, reward=2.0, **rewards) for step in (1, 2))
    )

    line = "step    2/2000  reward 2.00  corr 1.00  fmt 1.00  loss   .500"
    assert f"06:00:02  {line}" == lines[1].removesuffix("  1.0 s/step")
    assert "ETA" not in lines[1]


def test_a_short_time_left_is_not_shown(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time left of less than five seconds is blank."""
    with_total(monkeypatch, 8)
    lines = screen.lines(*(event("training", step, step, loss=0.5) for step in (1, 2, 3, 4)))

    assert "ETA 5 s" in lines[2]
    assert "ETA" not in lines[3]


@pytest.mark.parametrize("screen", [80], indirect=True)
def test_a_column_is_left_out_rather_than_cut(screen: Screen) -> None:
    """A name is whole, or its column is left out; of a path that is too long, the end is shown."""
    long = {"rewards/conciseness_of_answer/mean": 0.5, "gradient_norms/of_the_policy_model": 2.0}
    short = {"reward": 1.0, "rewards/format_reward/mean": 0.5, "loss": 0.25}
    (line,) = screen.lines(event("training", **short, **long))
    assert "06:00:00  step 1    reward 1.00  fmt .500  loss   .250" == line
    (line,) = screen.lines(event("training", loss=0.25, **long))
    assert "conciseness_of_answer .500  loss   .250" == line[20:]
    del long["rewards/conciseness_of_answer/mean"]
    (line,) = screen.lines(event("training", loss=0.25, **long))
    assert "loss   .250  of_the_policy_model 2.00" == line[20:]


def test_a_completion_that_is_logged_after_its_step(screen: Screen) -> None:
    """A completion is shown below the line of its step, whichever of the two is logged first."""
    events: list[Any] = []
    for step in range(1, 52):
        events.append(event("training", step, loss=0.5))
        events.append(event("model_output", step, model_output="7"))
    lines = screen.lines(*events)

    titles = [number for number, line in enumerate(lines) if "completion at step" in line]
    steps = [re.findall(r"step (\d+)", lines[title + line]) for title in titles for line in (-1, 0)]
    assert [["1"], ["1"], ["50"], ["50"]] == steps


def test_an_uncaught_exception_is_named(screen: Screen) -> None:
    """The line of an exception that Python prints names it, without its traceback."""
    fields = {"exception/type": "ValueError", "exception/message": "lr < 0\n  -1"}
    lines = screen.lines(
        event(
            "exception",
            level="critical",
            message="uncaught in the main thread",
            thread="the main thread",
            **{**fields, "exception/traceback": "Traceback …"},
        )
    )

    (line,) = lines
    assert line.endswith("CRITICAL  step 1  uncaught in the main thread: ValueError: lr < 0")


def test_an_exception_that_is_logged_twice(screen: Screen) -> None:
    """Handlers of two levels log one exception: its traceback is shown once, then its name."""
    fields = {"level": "error", "exception/type": "ValueError", "exception/message": "boom"}
    inner = '  File "x.py", line 4, in f\n    raise ValueError("boom")\nValueError: boom'
    outer = '  File "x.py", line 9, in g\n    f()\n'
    head = "Traceback (most recent call last):\n"
    lines = screen.lines(
        event("message", message="inner", **{**fields, "exception/traceback": head + inner}),
        event(
            "message", message="outer", **{**fields, "exception/traceback": head + outer + inner}
        ),
        event("message", message="other", **{**fields, "exception/traceback": head + outer}),
    )

    assert 2 == sum("Traceback" in line for line in lines)
    assert any(line.endswith("ERROR  step 1  outer: ValueError: boom") for line in lines)


def test_completions_of_steps_that_are_far_apart(screen: Screen) -> None:
    """A completion is shown at most every ten step lines, however far the steps are apart."""
    events: list[Any] = []
    for step in range(1_000, 31_000, 1_000):
        events.append(event("model_output", step, model_output="7"))
        events.append(event("training", step, loss=0.5))
    lines = screen.lines(*events)

    shown = [re.findall(r"completion at step (\d+)", line) for line in lines]
    assert [["1000"], ["11000"], ["21000"]] == [steps for steps in shown if steps]


def test_fields_of_an_error_are_whole(screen: Screen) -> None:
    """What doesn't fit the line of a warning or an error is shown below it."""
    fields = {"url": "https://example.org/" + "a" * 60, "reason": "no route to this host"}
    lines = screen.lines(event("message", level="error", message="failed", **fields))

    assert 80 >= max(map(cell_len, lines))
    assert "06:00:00  ERROR  step 1  failed" == lines[0]
    joined = "".join(line.strip() for line in lines[1:])
    assert f"url={fields['url']}" in joined
    assert lines[-1].endswith('reason="no route to this host"')


def test_no_completions(screen: Screen) -> None:
    """`completions: 0` shows none, and a negative number is an error."""
    assert [] == screen.lines(event("model_output", answer="7"), completions=0)
    with pytest.raises(ConfigError, match="completions: -1 is negative"):
        ConsoleSink(completions=-1, run=RUN)


def test_a_batch_of_completions(screen: Screen) -> None:
    """Of a batch by column one completion is shown."""
    row = event("model_output", answer="first")
    batch = EventColumns({name: [value] * 20 for name, value in row.items()})

    assert 1 == sum("answer first" in line for line in screen.lines_of_batches(batch))


def test_a_trainer_reports_its_rewards_itself(screen: Screen) -> None:
    """With a trainer, a step without a report of its own has no line."""
    lines = screen.lines(
        event("run_started", 0, arguments="{}", total_steps=4, **{"hyperparameters/beta": 0.5}),
        *(event("reward", step, **{"rewards/a/mean": 1.0}) for step in range(1, 5)),
        event("training", 4, loss=0.5),
    )

    assert [
        "06:00:00  Training starts: 4 steps  beta=0.5",
        "06:00:00  step 4    a 1.00  loss   .500",
    ] == lines


def test_start_and_end_have_lines_of_their_own(screen: Screen) -> None:
    """What the training process prints at start and end is not repeated."""
    reports = [event("pipeline", None, status="report", accepted=3, written=3)]
    ends = [event("run_started", None), event("run_finished", None, status="finished")]

    assert [] == screen.lines(*ends, *reports)


@pytest.mark.parametrize("screen", [60], indirect=True)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=60,
)
@given(
    st.dictionaries(st.text(max_size=30), st.floats() | st.integers() | st.text(), max_size=8),
    st.sampled_from(["training", "evaluation", "reward", "message", "alert", "model_output", "x"]),
    st.text(),
)
def test_any_event_fits(screen: Screen, fields: dict[str, Any], kind: str, text: str) -> None:
    """Any names and texts are lines that fit, without characters that a terminal obeys."""
    texts = dict.fromkeys(("message", "question", "model_output", "answer"), text)
    taken = event(kind)
    own = {name: value for name, value in fields.items() if name not in taken}
    for line in screen.lines({**own, **taken, **texts}):
        assert cell_len(line) <= 60
        assert [] == re.findall(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)


@pytest.mark.parametrize("screen", [51, 63], indirect=True)
def test_no_metric_takes_the_place_of_another(screen: Screen) -> None:
    """A wide value may leave no room for a metric, but no other one is shown instead."""
    names = ("rewards/length_async/mean", "rewards/flaky/mean", "rewards/ab/mean")
    values = [0.5, 0.5, 0.5, -7.8e-4, 0.5]
    events = [
        event("reward", step, float(step), reward=value, **dict.fromkeys(names, 0.25))
        for step, value in enumerate(values, 1)
    ]
    lines = screen.lines(*events)
    before, after = (
        {name for name in ("length_async", "flaky", "ab") if name in line}
        for line in (lines[1], lines[-1])
    )
    assert before > after


def test_a_reward_function_that_raises(screen: Screen) -> None:
    """The line names the function and its exception, without the traceback that Python prints."""
    fields = {"exception/type": "ValueError", "exception/message": "no digit"}
    (line,) = screen.lines(
        event(
            "reward_error",
            level="error",
            logger="reward",
            function="correct",
            **{**fields, "exception/traceback": "Traceback (most recent call last):\n  File …"},
        )
    )
    assert "correct" in line
    assert "ValueError: no digit" in line
