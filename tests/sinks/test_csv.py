"""The CSV sink: rectangular files, one form per value, safe to open in a spreadsheet."""

from __future__ import annotations

import json
import math
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logflume.formats.csv import row_checksum, scan_rows
from logflume.protocols import ScannedEvent
from logflume.runs.info import RunInfo
from logflume.sinks.csv import CsvSink
from logflume.values.declared import declared_columns
from tests.csv_files import make_event, read, write
from tests.event_helpers import RESERVED


def cell(tmp_path: Path, value: Any) -> str:
    """Return the cell that is written for a value."""
    path = tmp_path / "one.csv"
    path.unlink(missing_ok=True)
    write(path, make_event(x=value), columns=["seq", "x"])
    return read(path)[0]["x"]


def test_the_header_of_a_type(tmp_path: Path) -> None:
    """The declared fields of the configured event types are the columns, followed by `extras`."""
    write(tmp_path / "a.csv", events=["model_output"])
    write(tmp_path / "b.csv")
    write(tmp_path / "c.csv", columns=["seq", "x", "x", "extras"])

    headers = [
        (tmp_path / name).read_text().strip().split(",") for name in ("a.csv", "b.csv", "c.csv")
    ]
    named = {"rewards/total", "quality/correct", "quality/words"}
    assert {*declared_columns("model_output"), *named} <= set(headers[0])
    assert not any("*" in name for name in headers[0])
    assert [*RESERVED, "extras"] == headers[1]
    assert ["seq", "x", "extras"] == headers[2]
    assert {"extras"} == {header[-1] for header in headers}


def test_a_row_is_readable_at_once(tmp_path: Path) -> None:
    """Written rows are in the file before a flush or close."""
    path = tmp_path / "deep" / "a.csv"
    with closing(CsvSink(path)) as sink:
        sink.write([make_event(), make_event(seq=18)])

        assert ["17", "18"] == [row["seq"] for row in read(path)]


def test_late_fields_are_in_extras(tmp_path: Path) -> None:
    """A field without a column is stored in the last one as JSON; the file stays rectangular."""
    path = tmp_path / "a.csv"
    write(path, make_event(), make_event(late=[1.0], more=True, none=None), columns=["seq"])
    write(path, make_event(x=1.5, extras='{"a": 1}'), make_event(extras='{"b": 2}'))
    extras = [row["extras"] for row in read(path)]

    assert {"late": [1.0], "more": True}.items() <= json.loads(extras[1]).items()
    assert (1.5, '{"a": 1}') == (json.loads(extras[2])["x"], json.loads(extras[2])["extras"])
    assert 4 == len(extras)


def test_the_header_is_kept(tmp_path: Path) -> None:
    """An existing file keeps its header, whatever is configured."""
    path = tmp_path / "a.csv"
    write(path, make_event(x=1.0), columns=["seq", "x"])
    write(path, make_event(seq=18, x=2.0, y=3.0), columns=["y", "seq"])
    first, second = read(path)

    assert {"seq": "17", "x": "1.0"}.items() <= first.items()
    assert ("18", "2.0", 3.0) == (second["seq"], second["x"], json.loads(second["extras"])["y"])


def test_a_header_saved_by_a_spreadsheet(tmp_path: Path) -> None:
    """A byte order mark, which Excel writes, doesn't hide the first column."""
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffseq,x,extras\n1,2,\n".encode())
    write(path, make_event(x=2.5))

    assert b"17,2.5," in path.read_bytes()


@pytest.mark.parametrize(
    "torn",
    [b"18", b'18,"', b'18,"a\nb', b'18,"a ""quoted""\n\n', b'18,"a"', b'18,"' + b"x\n" * 600_000],
)
def test_a_torn_last_row_is_removed(torn: bytes, tmp_path: Path) -> None:
    """A row torn by a crash is removed, even if it ends within quotes."""
    path = tmp_path / "a.csv"
    write(path, make_event(x='one "two"\nthree'), columns=["seq", "x"])
    with path.open("ab") as file:
        file.write(torn)
    write(path, make_event(seq=19, x="y"))

    assert [("17", 'one "two"\nthree'), ("19", "y")] == [(r["seq"], r["x"]) for r in read(path)]


@pytest.mark.parametrize("torn", ["", "s", "seq,x,ext", "seq,x,extras"])
def test_a_torn_header_is_written_again(torn: str, tmp_path: Path) -> None:
    """A header torn by a crash is written again."""
    path = tmp_path / "a.csv"
    path.write_text(torn)
    write(path, make_event(x=1.0), columns=["seq", "x"])

    assert ["seq,x,extras", "17,1.0,"] == [
        line.partition("{")[0].rstrip('"') for line in lines(path)
    ]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize(
    "content",
    [b"question,answer\nwhat,4\n", b"x", b"\xff\xfe", b"a,extras,b\n", b'"' + b"x" * 200_000],
)
def test_a_foreign_file_is_unchanged(content: bytes, tmp_path: Path) -> None:
    """A file that logflume didn't write is neither appended to nor truncated."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)

    with pytest.raises(ValueError, match="was not written by logflume"):
        CsvSink(path)
    assert content == path.read_bytes()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (-1.5, "-1.5"),
        ([1.0, None, float("nan")], '[1.0,null,"NaN"]'),
        (["a", "ä"], '["a","ä"]'),
        ("a\0b", "a\\x00b"),
        ("größe 🙂", "größe 🙂"),
    ],
)
def test_cells(value: Any, expected: str, tmp_path: Path) -> None:
    """Each kind of value has one form, which readers can parse where possible."""
    assert expected == cell(tmp_path, value)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-cmd|' /C calc'!A0",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1+1",
        "=",
        "-x",
        " =1+1",
        "\u200b=1+1",
        "\ufeff =1+1",
        ";=1+1",
        " ;\u00a0|@x",
        "\u3164=1+1",
        "\ufe66x",
    ],
)
def test_formulas_are_neutralised(text: str, tmp_path: Path) -> None:
    """Text that a spreadsheet would run is prefixed with an apostrophe (OWASP, "CSV injection")."""
    assert f"'{text}" == cell(tmp_path, text)


@pytest.mark.parametrize(
    "text", ["-5", "+1.5", "-1,234.5", "-1e-5", "5 - 3", "a=b", "-12.5%", "'x", " -5", "\u200bx"]
)
def test_numbers_as_text_are_unchanged(text: str, tmp_path: Path) -> None:
    """A number as text, such as the answer -5, is not a formula."""
    assert text == cell(tmp_path, text)


NUMBERS = st.floats() | st.floats(-1e18, 1e18) | st.floats(-1e-3, 1e-3)


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_numbers(batches: list[list[float]]) -> None:
    """A number is written as its `repr`, whatever other numbers are in its column."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        with closing(CsvSink(path, columns=["x"])) as sink:
            for batch in batches:
                sink.write([make_event(x=number) for number in batch])

        assert [repr(n) for batch in batches for n in batch] == [row["x"] for row in read(path)]


def test_a_batch_of_different_events(tmp_path: Path) -> None:
    """A field may hold different kinds of values in a batch, and each row has its own extras."""
    path = tmp_path / "a.csv"
    values = [1.5, None, "text", 2, True, [1.0]]
    with closing(CsvSink(path, columns=["x", *RESERVED])) as sink:
        sink.write([make_event(), *(make_event(x=value, y=value) for value in values)])
    rows = read(path)

    assert ["", "1.5", "", "text", "2", "true", "[1.0]"] == [row["x"] for row in rows]
    assert [None if value is None else {"y": value} for value in (None, *values)] == [
        json.loads(row["extras"]) if row["extras"] else None for row in rows
    ]


plain_values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.none() | st.floats(), max_size=3)
    | st.lists(st.none() | st.text(max_size=3), max_size=3)
)
rows = st.dictionaries(st.sampled_from(["a", "b", "loss", "é", "with,comma"]), plain_values)
some_extras = (
    st.none()
    | st.dictionaries(st.text(max_size=3), plain_values).map(json.dumps)
    | st.text(max_size=4)
)


@example([({"a": math.inf, "b": -math.inf}, None), ({"b": "-Infinity"}, '{"c": "nan"}')], ["a"])
@given(
    st.lists(st.tuples(rows, some_extras), max_size=5),
    st.lists(st.sampled_from(["a", "loss", "é"]), unique=True),
)
def test_checksums_of_rows(
    events: list[tuple[dict[str, Any], str | None]], columns: list[str]
) -> None:
    """A row has the checksum of its event, whichever fields have columns."""
    logged = [
        make_event(seq=seq, **fields, **({} if extras is None else {"extras": extras}))
        for seq, (fields, extras) in enumerate(events)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        names = ["run", "rank", "attempt", "seq", *columns]
        write(path, *logged, columns=names)
        found = list(scan_rows(path, [*names, "extras"], RunInfo(run="r")))

    expected = [ScannedEvent((0, event["seq"]), row_checksum(event)) for event in logged]
    assert expected == found


def test_a_header_of_an_earlier_version(tmp_path: Path) -> None:
    """A file whose header has some of the present columns is right; one with others isn't."""
    names = ["run", "rank", "attempt", "seq"]
    write(tmp_path / "a.csv", make_event(loss=0.5), columns=names)
    more = [*names, "loss", "extras"]

    assert [ScannedEvent((0, 17), row_checksum(make_event(loss=0.5)))] == list(
        scan_rows(tmp_path / "a.csv", more, RunInfo(run="r"))
    )
    (fault, _) = scan_rows(tmp_path / "a.csv", more[1:], RunInfo(run="r"))
    assert "the header doesn't match the configuration" == fault[0]
