"""Paths of a configuration: what no sink can write to is an error, and nothing is created."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.config.load import load_config
from tests.cli.commands import check_error, check_output

SINKS = {
    "jsonl": {"path": "{dir}/{run}/events.jsonl"},
    "csv": {"path": "{dir}/{run}/out.csv"},
    "parquet": {"path": "{dir}/{run}/parquet"},
    "tensorboard": {"path": "{dir}/{run}/tb"},
    "text": {"type": "console", "path": "{dir}/{run}/training.log"},
}


def with_path(name: str, path: str | Path) -> dict[str, Any]:
    """Return a configuration in which one of all five sinks has this path."""
    sinks = {**SINKS, name: {**SINKS[name], "path": str(path)}}
    return {"root": {"sinks": list(sinks)}, "sinks": sinks}


def error_of(source: Any, **options: Any) -> str:
    """Return the message of the error from `initialize()`, and check that nothing is created."""
    before = sorted(Path().rglob("*"))
    with pytest.raises(logflume.ConfigError) as raised:
        logflume.initialize(source, **options)
    assert before == sorted(Path().rglob("*"))
    return str(raised.value)


ADDRESSES = ["s3://a/b", "gs://a", "az://a/b", "hdfs://a:1/b", "file:///a", "S3://a", "hf+x://a"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_as_folder(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address as `dir` is refused, from wherever it comes, also after `Path` has changed it."""
    assert "configuration: dir: " in error_of({"dir": address})
    assert error_of({}, dir=address).startswith(f"dir: {address!r} is an address")
    assert error_of({}, dir=Path(address)).startswith("dir: ")
    monkeypatch.setenv("LOGFLUME_DIR", address)
    assert error_of({}).startswith(f"LOGFLUME_DIR: {address!r} is an address")


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("s3://a/b", "is an address"),
        ("file:///tmp/x", "is an address: write the path only"),
        ("", "the path is empty"),
        (" ", "the path is empty"),
        ("a\0b", "a character that is not allowed in paths"),
        ("a\ud800b", "a character that is not allowed in paths"),
        ("~/x", "only a shell expands"),
        ("$HOME/x", "only a shell expands"),
        ("logs/${USER}", "only a shell expands"),
        ("x" * 300, "File name too long"),
        ("missing/" + "é" * 130 + "/x", "File name too long"),
    ],
)
def test_paths_of_sinks(name: str, path: str, problem: str) -> None:
    """A text that is no path to a local file is refused for every sink."""
    error = error_of(with_path(name, path))

    assert error.startswith(f"configuration: sinks.{name}.path: ")
    assert problem in error


@pytest.mark.parametrize("path", ["./s3:/x.csv", "a b.csv", "é.csv", "it's $.csv", "x~"])
def test_paths_that_only_look_odd(path: str) -> None:
    """Names that a file may have are accepted."""
    logflume.initialize(with_path("csv", path))
    logflume.shutdown()

    assert Path(path).is_file()


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)  # relative: the name of a socket has at most 108 characters


def _make_loop(path: Path) -> None:
    path.symlink_to(path.name)


OBSTACLES: dict[str, Callable[[Path], Any]] = {
    "is a named pipe (FIFO), and not a ": os.mkfifo,
    "is a device, and not a ": lambda path: path.symlink_to("/dev/null"),
    "is a socket, and not a ": _make_socket,
    "is a link to nowhere, which does not exist": lambda path: path.symlink_to("nowhere"),
    "can't be used: Too many levels of symbolic links": _make_loop,
}


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize("problem", OBSTACLES)
def test_what_is_no_file(name: str, problem: str) -> None:
    """What is neither a file nor a folder is refused for every sink, and never opened."""
    OBSTACLES[problem](Path("x"))

    assert f"sinks.{name}.path: {Path('x').absolute()} {problem}" in error_of(with_path(name, "x"))


@pytest.mark.parametrize("problem", OBSTACLES)
def test_a_folder_that_is_none(problem: str) -> None:
    """The same as `dir`, or above it, is refused as well."""
    OBSTACLES[problem](Path("x"))

    assert problem in error_of({}, dir="x")
    assert problem in error_of({}, dir="x/logs")


@pytest.mark.parametrize("name", SINKS)
def test_files_and_folders(name: str) -> None:
    """A folder is refused where a file is expected, and the other way round."""
    Path("folder").mkdir()
    Path("file").touch()
    writes_folder = name in ("parquet", "tensorboard")
    wrong, other = ("file", "folder") if writes_folder else ("folder", "file")

    assert f"{wrong} is a {wrong}, and not a {other}" in error_of(with_path(name, wrong))
    assert "file is a file, and not a folder" in error_of(with_path(name, "file/x"))
    assert "file is a file, and not a folder" in error_of({}, dir="file")


SAME = ["x.csv", "./x.csv", "a/../x.csv", "link/x.csv", "linked.csv", "hard.csv", "X.CSV"]


@pytest.mark.parametrize("path", SAME)
@pytest.mark.parametrize("exists", [True, False])
def test_one_path_twice(path: str, exists: bool) -> None:
    """Two sinks on one path are an error, however the path is written."""
    Path("link").symlink_to(".")
    if exists or path in ("linked.csv", "hard.csv"):
        Path("x.csv").touch()
        Path("linked.csv").symlink_to("x.csv")
        Path("hard.csv").hardlink_to("x.csv")
    sinks = {"one": {"type": "jsonl", "path": "x.csv"}, "two": {"type": "csv", "path": path}}
    error = error_of({"root": {"sinks": list(sinks)}, "sinks": sinks})

    assert error.startswith("configuration: sinks.two.path: ")
    assert error.endswith("is also the path of another sink: configuration: sinks.one.path")


def test_a_path_within_a_file() -> None:
    """A sink can't write into the file of another."""
    sinks = {"one": {"type": "jsonl", "path": "x"}, "two": {"type": "parquet", "path": "x/y"}}

    assert "which is a file: configuration: sinks.one.path" in error_of(
        {"root": {"sinks": list(sinks)}, "sinks": sinks}
    )


def test_inside_of_the_link_to_the_newest_run() -> None:
    """A path through `latest` would lead to another run, or put a folder in the link's place."""
    path = "{dir}/latest/x.csv"
    assert "latest: the link to the newest run" in error_of(with_path("csv", path))


def test_what_latest_leads_to() -> None:
    """The folder of the run is a path like any other, also while `latest` leads to it."""
    for _ in range(2):
        logflume.initialize(with_path("parquet", "{dir}/{run}"), run="r")
        logflume.shutdown()

    assert {"run_started", "run_finished"} <= {path.name for path in Path("logs/r").iterdir()}


@pytest.mark.parametrize(
    "path",
    [
        *("{dir}/{run}/run.json", "{dir}/{run}/run.lock", "{dir}/latest"),
        *("{dir}/{run}/media", "{dir}/{run}/environment"),
    ],
)
def test_own_files(path: str) -> None:
    """A sink can't write to a file of the run itself."""
    assert " is also the " in error_of(with_path("text", path))


@pytest.mark.parametrize(
    "name", ["run-rank1.json", "events-rank1.jsonl", "Events.000001.jsonl.zst"]
)
def test_names_of_other_ranks(name: str) -> None:
    """A sink's file isn't named like the journal or the state of another rank."""
    problem = error_of(with_path("text", f"{{dir}}/{{run}}/{name}"))
    assert f"{name} is a name of a journal, a run state or a lock: choose another" in problem


def test_sinks_that_nobody_uses() -> None:
    """A sink without events may share a path."""
    sinks = {"one": {"type": "jsonl", "path": "x"}, "two": {"type": "jsonl", "path": "x"}}

    assert load_config({"root": {"sinks": ["one"]}, "sinks": sinks}).used_sinks() == ["one"]


def test_a_run_that_exists() -> None:
    """The files of a run that is continued are checked, too."""
    run = logflume.initialize(with_path("csv", SINKS["csv"]["path"]), run="r")
    logflume.shutdown()
    (run.folder / "out.csv").unlink()
    os.mkfifo(run.folder / "out.csv")

    assert "out.csv is a named pipe" in error_of(with_path("csv", SINKS["csv"]["path"]), run="r")


BROKEN = """\
dir: s3://logs
bufer: {}
buffer: {sise: 1, when_full: blok}
loggers:
  a: {level: LOUD, sinks: [jsnol]}
  b: {sinks: 5}
root: {sinks: [jsonl, text]}
processors: [tag_steps, flatten_rewards: {x: 1, y: 2}]
sinks:
  jsonl: {path: x, rotate_byte: 5, rotate_bytes: many}
  text: {type: console, path: "{runn}"}
  other: {type: 5}
  other: {level: 5}
buffer: {size: 0}
"""


def test_all_errors_at_once() -> None:
    """Every error of a file is in one message: nobody has to fix and try again."""
    Path("my.yaml").write_text(BROKEN)
    lines = error_of("my.yaml").splitlines()
    places = [line.split(": ")[1] for line in lines if not line.startswith("  ")]

    assert sorted(places) == sorted(
        [
            "line 13",
            "line 14",
            "dir",
            "bufer",
            "buffer.size",
            "loggers.a.level",
            "loggers.a.sinks",
            "loggers.b.sinks",
            "processors[0]",
            "processors[1].flatten_rewards.x",
            "processors[1].flatten_rewards.y",
            "sinks.jsonl.rotate_byte",
            "sinks.jsonl.rotate_bytes",
            "sinks.text.path",
            "sinks.other.level",
        ]
    )


def test_all_errors_of_a_dictconfig() -> None:
    """So is every error of a file in the format of dictConfig."""
    Path("my.yaml").write_text(
        "handlers: {a: {class: X}, b: {class: Y}}\n"
        "root: {handlers: [a, c]}\nloggers: {l: {handlers: [d], x: 1}}\n"
    )
    lines = error_of("my.yaml").splitlines()

    assert [
        "handlers.a.class",
        "handlers.b.class",
        "root.handlers",
        "loggers.l.x",
        "loggers.l.handlers",
    ] == [line.split(": ")[1] for line in lines if not line.startswith("  ")]


@pytest.mark.parametrize(
    "text",
    ["a: {x: 1, x: 2}", "{1: a, 0x1: b}", "- {x: [{y: 1, y: 1}]}", "on: 1\nyes: 2"],
)
def test_duplicate_keys(text: str) -> None:
    """A key that occurs twice in a mapping is an error that names both lines."""
    Path("my.yaml").write_text(f"loggers:\n  {text}\n".replace("\nyes", "\n  yes"))

    assert ": duplicate key " in error_of("my.yaml")


def test_merged_keys() -> None:
    """A key that replaces one of a merged mapping is no duplicate."""
    Path("my.yaml").write_text(
        "loggers:\n  a: &a {level: INFO}\n  b: {<<: *a, level: DEBUG}\n  c: *a\n"
    )

    assert "DEBUG" == load_config("my.yaml").loggers["b"].level


def test_the_command(tmp_path: Path) -> None:
    """`logflume config check` finds all of that, and a folder that can't be written to."""
    Path("my.yaml").write_text("dir: /proc/logs\nbufer: {}\n")
    error = check_error(tmp_path, "config", "check", "my.yaml")

    assert "my.yaml: dir: /proc can't be written to: " in error
    assert "my.yaml: bufer: unknown key" in error

    long = {"root": {"sinks": ["csv"]}, "sinks": {"csv": {"path": "x" * 300}}}
    Path("my.yaml").write_text(json.dumps(long))
    assert "File name too long" in check_error(tmp_path, "config", "check", "my.yaml")

    Path("my.yaml").write_text("dir: logs\n")
    assert "valid" in check_output(tmp_path, "config", "check", "my.yaml")
    assert [tmp_path / "my.yaml"] == list(tmp_path.iterdir())
