"""Images, histograms and tables of the TensorBoard sink, read by TensorBoard."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.plugins.text.text_plugin import text_array_to_html
from tensorboard.util import tensor_util

import logflume
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.replay import replay
from logflume.protocols import ScannedEvent
from logflume.runs.info import RunInfo
from logflume.sinks.tensorboard.sink import TensorBoardSink
from tests.event_helpers import finished_event
from tests.maintenance.runs import start

DAMAGED = "media/" + "0" * 32 + ".png"


def shown(folder: Path, plugin: str) -> dict[str, list[tuple[int, Any]]]:
    """Return the values of a plugin by tag, each with its step."""
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    try:
        tags = found.PluginTagToContent(plugin)
    except KeyError:
        return {}
    return {
        tag: [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in found.Tensors(tag)]
        for tag in tags
    }


def write(folder: Path, *events: dict[str, Any]) -> None:
    run = RunInfo(run="r", dir=folder.parent, folder_name=folder.name)
    numbered = [{**event, "seq": seq} for seq, event in enumerate(events)]
    with closing(TensorBoardSink(folder / "tensorboard", run=run)) as sink:
        sink.write(numbered)


def pixels(value: Sequence[bytes]) -> Any:
    width, height, content = value
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (int(width), int(height))
        return np.asarray(image)


def log_visuals(*steps: int) -> None:
    log = logflume.get_logger()
    for step in steps:
        logflume.set_step(step)
        log.info("training", loss=0.5, attention=logflume.Image(np.full((2, 3), step, np.uint8)))
        log.info("probe", values=logflume.Histogram([float(step), 3.0]), large=torch.zeros(5000))
        log.info("probe", table=pd.DataFrame({"a|b": ["<b>x</b>", None], "c": [0.5, -1.0]}))


def test_images_histograms_and_tables(tmp_path: Path) -> None:
    """Each has its plugin; a replay and the doctor agree, also in a renamed folder."""
    folder = start(tmp_path)
    log_visuals(1, 2)
    logflume.shutdown()
    renamed = folder.rename(tmp_path / "renamed")
    before = {name: shown(renamed / "tensorboard", name) for name in ("images", "histograms")}
    replay(renamed, ["tensorboard"])

    (images,) = [shown(renamed / "tensorboard", "images")["train/attention"]]
    assert [(1, 1), (2, 2)] == [(step, pixels(value).max()) for step, value in images]
    histograms = shown(renamed / "tensorboard", "histograms")
    assert {"probe/values", "probe/large"} == set(histograms)
    step, buckets = histograms["probe/values"][0]
    assert (1, 1.0, 3.0, 2.0) == (step, buckets[0][0], buckets[-1][1], buckets[:, 2].sum())
    (_, table), _ = shown(renamed / "tensorboard", "text")["probe/table"]
    html = text_array_to_html(table, True)
    assert "<b>" not in html
    assert {"<th>a|b</th>", "<td><b>x</b></td>", "<td>-1</td>"} <= set(unescape(html).split("\n"))
    assert {name: set(tags) for name, tags in before.items()} == {
        "images": {"train/attention"},
        "histograms": set(histograms),
    }
    assert [] == diagnose(renamed)


def test_several_images_of_a_step(tmp_path: Path) -> None:
    """Of one field and step the first four are shown."""
    folder = start(tmp_path)
    logflume.set_step(1)
    for number in range(6):
        image = logflume.Image(np.full((2, 2), number, np.uint8))
        logflume.get_logger().info("samples", image=image)
    logflume.shutdown()

    found = shown(folder / "tensorboard", "images")
    tags = ["samples/image", "samples/image/1", "samples/image/2", "samples/image/3"]
    assert tags == sorted(found)
    assert [0, 1, 2, 3] == [pixels(found[tag][0][1]).max() for tag in tags]


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n", bytes(2**25)])
def test_an_image_that_cannot_be_shown(tmp_path: Path, content: bytes | None) -> None:
    """A missing, damaged or very large file is left out; curves and positions are complete."""
    folder = tmp_path / "r"
    (folder / "media").mkdir(parents=True)
    if content is not None:
        (folder / DAMAGED).write_bytes(content)
    write(
        folder,
        finished_event("training", loss=0.5, image=DAMAGED),
        finished_event("probe", image=DAMAGED),
    )

    assert {} == shown(folder / "tensorboard", "images")
    sink = TensorBoardSink(folder / "tensorboard", run=RunInfo(run="r", dir=tmp_path))
    found = sink.scan(folder / "tensorboard", RunInfo(run="r", dir=tmp_path))
    assert [(0, 0), (0, 1)] == [one.position for one in found if isinstance(one, ScannedEvent)]


@pytest.mark.parametrize(
    "fields",
    [
        {"a/histogram": [1.0], "a/min": None, "a/max": 1.0, "a/mean": 1.0, "a/std": 0.0},
        {"a/histogram": [1.0], "a/min": 2.0, "a/max": 1.0, "a/mean": 1.0, "a/std": 0.0},
        {"a/histogram": [None], "a/min": 0.0, "a/max": 1.0, "a/mean": 1.0, "a/std": 0.0},
        {"a/histogram": ["x"], "a/min": 0.0, "a/max": 1.0, "a/mean": 1.0, "a/std": 0.0},
        {"a/histogram": [1.0], "a/min": math.nan, "a/max": 1.0, "a/mean": 1.0, "a/std": 0.0},
        {"a/histogram": [1.0], "a/min": 0.0},
        {"image": "media/../../secret.png"},
        {"image": DAMAGED, "a/b": [1.0], "a/c": [1.0, 2.0]},
    ],
)
def test_what_only_looks_like_it(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Fields that are no histogram, image or table are not drawn as such."""
    write(tmp_path / "r", finished_event("probe", **fields), finished_event("training", loss=1.0))

    for plugin in ("images", "histograms"):
        assert {} == shown(tmp_path / "r" / "tensorboard", plugin)
