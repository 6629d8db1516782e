"""`Image`, `Histogram` and data frames: what is recorded, what is stored, what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import logflume
from logflume.testing import capture_events
from tests.event_helpers import JOURNAL, fields, own, read

WARNING_SINK: dict[str, Any] = {
    "root": {"sinks": ["jsonl", "console"]},
    "sinks": {**JOURNAL["sinks"], "console": {"level": "WARNING"}},
}


def log_each(folder: Path, values: list[Any], worker: str = "thread") -> list[dict[str, Any]]:
    """Log each value in a separate event, and return these events from the journal."""
    run = logflume.initialize({**WARNING_SINK, "worker": worker}, dir=folder, run="r")
    for value in values:
        logflume.get_logger().info("probe", value=value, other=1.0)
    logflume.shutdown()
    return [fields(event) for event in own(read(run.folder / "events.jsonl"))]


def show(folder: Path, path: str) -> Any:
    with Image.open(folder / "r" / path) as image:
        return np.asarray(image)


def figure(closed: bool = False) -> Any:
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(figsize=(2, 1), dpi=50)
    axes.plot([1, 2])
    if closed:
        plt.close(drawn)
    return drawn


CHECKER = np.array([[0, 255], [255, 0]], np.uint8)
RED = np.zeros((2, 5, 3), np.uint8) + np.array([255, 0, 0], np.uint8)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_pictures_are_stored_once_before_the_line_that_names_them(
    tmp_path: Path, worker: str
) -> None:
    """The field is a path within the run; equal pixels of any source are one file."""
    events = log_each(
        tmp_path,
        [
            logflume.Image(Image.fromarray(RED)),
            logflume.Image(RED),
            logflume.Image(torch.from_numpy(RED).permute(2, 0, 1)),
            logflume.Image(RED / 255),
        ],
        worker,
    )

    (path,) = {event["value"] for event in events}
    assert [path] == [f"media/{file.name}" for file in (tmp_path / "r/media").iterdir()]
    assert RED.tolist() == show(tmp_path, path).tolist()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (CHECKER, CHECKER),
        (CHECKER > 0, CHECKER),
        (CHECKER / 255, CHECKER),
        (CHECKER.astype(np.int64), CHECKER),
        (CHECKER.astype(np.float16) / 255, CHECKER),
        (torch.from_numpy(CHECKER / 255).bfloat16(), CHECKER),
        (torch.from_numpy(CHECKER / 255).requires_grad_(), CHECKER),
        (CHECKER[None], CHECKER),
        (CHECKER[..., None], CHECKER),
        (np.ma.masked_equal(CHECKER, 255), CHECKER * 0),
        (np.asfortranarray(CHECKER), CHECKER),
        (RED, RED),
        (RED.transpose(2, 0, 1), RED),
        (np.concatenate([RED, RED[..., :1]], axis=-1), np.concatenate([RED, RED[..., :1]], -1)),
        (RED[None], RED),
        (np.stack([CHECKER] * 3)[:, None], np.block([[CHECKER, CHECKER], [CHECKER, CHECKER * 0]])),
        (torch.zeros(3, 3, 3), np.zeros((3, 3, 3))),
    ],
)
def test_arrays(tmp_path: Path, array: Any, expected: Any) -> None:
    """Arrays of all usual shapes and types show the pixels that they hold."""
    (event,) = log_each(tmp_path, [logflume.Image(array)])

    assert expected.tolist() == show(tmp_path, event["value"]).tolist()


@pytest.mark.parametrize("kind", [str, Path])
def test_image_files(tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    """The path of an image file is its image, as it is now."""
    file = tmp_path / "red.bmp"
    Image.fromarray(RED).save(file)
    image = logflume.Image(kind(file))
    file.write_bytes(b"no image")
    events = log_each(tmp_path, [image, logflume.Image(kind(file)), logflume.Image(kind(tmp_path))])

    assert RED.tolist() == show(tmp_path, events[0]["value"]).tolist()
    assert "cannot identify image file" in events[1]["value"]
    assert events[2]["value"].startswith("<Image: there is no image file")


def test_captions(tmp_path: Path) -> None:
    """A caption of any type is a field next to the image."""
    captions: Any = ["layer 3", "\udc80", ["a", object]]
    events = log_each(tmp_path, [logflume.Image(RED, caption=caption) for caption in captions])

    assert 1 == len({event["value/image"] for event in events})
    assert RED.tolist() == show(tmp_path, events[0]["value/image"]).tolist()
    assert ["layer 3", "\\udc80"] == [event["value/caption"] for event in events[:2]]


def test_figures(tmp_path: Path) -> None:
    """A figure, its axes, `pyplot`, and a figure that was closed are drawn as they are now."""
    import matplotlib.pyplot as plt

    drawn = figure()
    images = [logflume.Image(one) for one in (drawn, drawn.axes[0], plt, figure(closed=True))]
    drawn.axes[0].plot([2, 1])
    plt.close(drawn)
    events = log_each(tmp_path, images)

    (path,) = {event["value"] for event in events}
    assert (50, 100) == show(tmp_path, path).shape[:2]


@pytest.mark.parametrize("copy", [np.copy, torch.tensor, Image.fromarray])
def test_later_changes_are_not_seen(tmp_path: Path, copy: Callable[[Any], Any]) -> None:
    """The pixels and numbers are those at the time of the call."""
    picture = copy(np.zeros((2, 2), np.uint8))
    values: list[Any] = [logflume.Image(picture)]
    if isinstance(picture, Image.Image):
        picture.putpixel((0, 0), 255)
    else:
        values.append(logflume.Histogram(picture))
        picture[:] = 9
    image, *histograms = log_each(tmp_path, values)

    assert 0 == show(tmp_path, image["value"]).max()
    assert all(event["value/max"] == 0.0 for event in histograms)


BAD_PICTURES: list[Any] = [
    np.zeros((2**14, 2**13), np.uint8),
    Image.new("1", (40_000, 30_000)),
    np.zeros((2, 3, 4, 5, 6)),
    np.zeros((5, 7, 2)),
    np.zeros(5),
    np.zeros((0, 5)),
    np.zeros((2, 2), complex),
    np.array([[object()]]),
    np.array([["a"]]),
    "plot.png",
    None,
    [[1, 2]],
    Image.Image,
    np,
]


def test_what_is_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mark states the reason; of each kind of problem one line is printed; nothing is raised."""
    events = log_each(tmp_path, [logflume.Image(picture) for picture in BAD_PICTURES])

    assert all(event["value"].startswith("<Image: ") for event in events)
    assert not (tmp_path / "r/media").exists()
    assert 2 == capsys.readouterr().err.count("an Image is not kept: ")


def test_a_vast_figure(tmp_path: Path) -> None:
    """A figure of a billion pixels is not drawn."""
    from matplotlib.figure import Figure

    (event,) = log_each(tmp_path, [logflume.Image(Figure(figsize=(400, 300), dpi=100))])

    assert "<Image: 40,000 × 30,000 pixels are more than 67,108,864>" == event["value"]


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.array([[0.0, 200.0]]), "values from 0 to 200 are clipped to 0 and 1"),
        (np.array([[-1, 300]]), "values from -1 to 300 are clipped to 0 and 255"),
        (np.array([[np.nan, 1.0]]), "values that are not finite are drawn black"),
        (np.array([[1e300, -np.inf]]), "values from 0 to 1e+300 are clipped"),
    ],
)
def test_clipped_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], array: Any, line: str
) -> None:
    """Values beyond the range of a pixel are clipped, which is reported once."""
    events = log_each(tmp_path, [logflume.Image(array), logflume.Image(array)])

    assert all(event["value"].startswith("media/") for event in events)
    assert 1 == capsys.readouterr().err.count(line)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The event is kept, with a mark."""
    run = logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    (run.folder / "media").write_text("in the way")
    logflume.get_logger().info("probe", value=logflume.Image(CHECKER))
    logflume.shutdown()
    (event,) = own(read(run.folder / "events.jsonl"))

    assert event["value"].startswith("<Image: ")


def test_images_within_other_values(tmp_path: Path) -> None:
    """Images in mappings and lists become paths, too; so do those logged before the run is open."""
    logflume.get_logger().info("probe", value={"a": [logflume.Image(CHECKER)] * 2})
    (event,) = log_each(tmp_path, [])

    assert 2 == len(event["value/a"])
    assert all((tmp_path / "r" / path).is_file() for path in event["value/a"])


def test_a_bare_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line says what to write instead, once."""
    log_each(tmp_path, [Image.fromarray(RED), figure(closed=True)])

    assert 1 == capsys.readouterr().err.count("log logflume.Image(picture)")


SUMMARY = {"n", "nonfinite", "min", "max", "mean", "std", "histogram"}


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.0, 3],
        (1, 2, 3),
        range(1, 4),
        [[1], [2, 3]],
        np.array([1, 2, 3]),
        torch.tensor([[1.0, 2.0, 3.0]]),
        torch.tensor([1.0, 2.0, 3.0]).bfloat16().requires_grad_(),
        [torch.tensor([1.0, 2.0]), torch.tensor(3.0)],
        pd.Series([1, 2, 3]),
        pl.Series([1, 2, 3]),
        pa.array([1, 2, 3]),
    ],
    ids=lambda values: type(values).__name__,
)
def test_histograms(values: Any) -> None:
    """Numbers of any source become statistics and counts in 64 buckets."""
    with capture_events() as events:
        logflume.get_logger().info("probe", value=logflume.Histogram(values), other=1.0)
    found = {name.removeprefix("value/"): v for name, v in fields(own(events)[0]).items()}

    assert SUMMARY | {"other"} == set(found)
    assert [3, 1.0, 3.0, 2.0] == [found[name] for name in ("n", "min", "max", "mean")]
    counts = [0] * 64
    counts[0] = counts[32] = counts[63] = 1
    assert counts == found["histogram"]


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=3, max_side=20)))
def test_the_counts_are_of_the_finite_values(array: Any) -> None:
    """For any numbers, counts and non-finite values add up to all of them."""
    found = logflume.Histogram(array).read()

    assert array.size == found["n"] == sum(found["histogram"]) + found["nonfinite"]


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(
        arrays.arrays(
            arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, max_dims=5, max_side=5)
        ),
        st.recursive(st.none() | st.text() | st.floats() | st.binary(), st.lists),
    )
)
def test_any_value(value: Any) -> None:
    """Whatever is given, a value is recorded and nothing is raised."""
    with capture_events() as events:
        logflume.get_logger().info(
            "probe", image=logflume.Image(value), histogram=logflume.Histogram(value)
        )
    event = fields(own(events)[0])

    assert event["image"].startswith(("media/", "<Image: "))
    assert "histogram/n" in event or event["histogram"].startswith("<Histogram: ")


@pytest.mark.parametrize("values", [[float("nan")] * 3, np.full(5, np.inf), [], np.zeros(0)])
def test_a_histogram_of_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: Any
) -> None:
    """Without a finite number there are no statistics, which is reported once."""
    (event, _) = log_each(tmp_path, [logflume.Histogram(values), logflume.Histogram(values)])

    assert event["value/mean"] is None
    assert [0] * 64 == event["value/histogram"]
    assert len(values) == event["value/n"] == event["value/nonfinite"]
    assert 1 == capsys.readouterr().err.count("a Histogram is empty")


@pytest.mark.parametrize("values", ["text", [1, "a"], np.zeros(3, complex), object(), {"a": 1}])
def test_what_has_no_histogram(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: Any
) -> None:
    """A mark states the reason, which is reported once."""
    (event,) = log_each(tmp_path, [logflume.Histogram(values)])

    assert event["value"].startswith("<Histogram: ")
    assert 1 == capsys.readouterr().err.count("a Histogram is not kept")


@pytest.mark.parametrize(
    "frame",
    [
        lambda n: pd.DataFrame({"a": range(n), "b": ["x"] * n}),
        lambda n: pl.DataFrame({"a": range(n), "b": ["x"] * n}),
        lambda n: pa.table({"a": range(n), "b": ["x"] * n}),
    ],
    ids=["pandas", "polars", "pyarrow"],
)
def test_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], frame: Callable[[int], Any]
) -> None:
    """A data frame becomes a list for each column; a long one is cut, which is reported."""
    short, long = log_each(tmp_path, [frame(3), frame(10_000)])

    assert ([0, 1, 2], ["x"] * 3) == (short["value/a"], short["value/b"])
    assert [*range(4096)] == long["value/a"]
    assert 4096 == len(long["value/b"])
    line = "of a table with 10,000 rows the first 4,096 are kept"
    assert 1 == capsys.readouterr().err.count(line)
    assert "extras" not in json.dumps(long)


def test_missing_texts_of_a_table(tmp_path: Path) -> None:
    """A column of a pandas frame keeps its kind where values are missing."""
    frame = pd.DataFrame(
        {
            "text": ["x", None],
            "category": pd.Series(["x", None], dtype="category"),
            "time": pd.to_datetime(pd.Series(["2026-01-02", None])),
            "count": pd.Series([1, None], dtype="Int64"),
        }
    )
    (event,) = log_each(tmp_path, [frame])

    times = ["2026-01-02T00:00:00", None]
    found = [event[f"value/{name}"] for name in frame]
    assert [["x", None], ["x", None], times, [1, None]] == found
