"""Damage that somebody else may have done to a run's folder, by accident or on purpose.

Each function of `DAMAGES` changes one thing in the folder, and returns what it did. None of them
needs logflume to be running, and none changes anything outside of the folder.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["DAMAGES", "damage"]

Damage = Callable[[Random, Path, Path], str]
"""Takes a random generator, the run's folder, and a folder of the user's own; returns a text."""

ESCAPES = "\x1b]52;c;cHdu\x07\x9b31m\u202e\u200b\x1b]8;;http://e.example\x07"

ABSURD: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 1e308, -0.0, 0.5),
    *(
        "",
        " ",
        "\0",
        "\n",
        "\ud800",
        ESCAPES,
        "'; drop table training; --",
        '"',
        "[red]a[/]",
        "NaN",
    ),
    *("9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+14:00", "2026-13-45", "x" * 100_000),
    *("..", "../../victim/file", "{dir}/victim/file", "/dev/zero", "own:Sink", "os:system"),
    *([], {}, [None], [[1]], {"a": {"b": []}}, {"": 1}, ["x"] * 1_000),
)
"""Values of every type of JSON that no field expects."""

NAMES = (
    *("a\nb", "a\x1b]0;x\x07b", "\udcff", "x" * 255, "[a-z]*?{1,2}", "a=b", "'\"; drop", " ", "~"),
    *("-rf", "--fix", "events-rank99999999999999999999.jsonl", "events-pid1-rank0.jsonl"),
    *("events.99999999999999999999.jsonl", "events.000001.jsonl", "events-\x1b[31m.jsonl"),
    *("events-attempt999999999999.jsonl", "run-rank4095.json", "run-.json", "run\udcff.json"),
    *("part-a9999999999-000000000000-999999999999.parquet", ".parquet.tmp", ".parquet.damaged"),
    *("part-a0000-999999999999-000000000000.parquet", "events.out.tfevents.1.x", "own.py"),
)


def damage(random: Random, run: Path, victim: Path) -> str:
    """Change one thing in a run's folder, and return what was done."""
    name = random.choice(list(DAMAGES))
    try:
        return f"{name}: {DAMAGES[name](random, run, victim)}"
    except (
        OSError,
        pa.ArrowException,
    ) as error:  # such as a file in place of a folder, of an earlier damage
        return f"{name}: not possible: {error}"


def _entries(run: Path) -> list[Path]:
    """Return all that is in the folder; no link is followed."""
    return [
        Path(parent, name)
        for parent, folders, files in os.walk(run)
        for name in sorted([*folders, *files])
    ]


def _files(run: Path) -> list[Path]:
    return [path for path in _entries(run) if stat.S_ISREG(path.lstat().st_mode)]


def _pick(random: Random, paths: list[Path], run: Path) -> Path:
    """Return one of the paths; each folder is as likely, however many files it has."""
    parent = random.choice(sorted({path.parent for path in paths}) or [run])
    return random.choice(sorted(path for path in paths if path.parent == parent) or [run / "new"])


def _free(path: Path) -> Path:
    """Remove what is at a path, and return the path."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def _change_bytes(random: Random, run: Path, _victim: Path) -> str:
    path = _pick(random, _files(run), run)
    content = bytearray(path.read_bytes()[: 1 << 22])
    kind = random.choice(("flip", "cut", "insert", "repeat", "zero"))
    at = random.randrange(len(content) + 1)
    if kind == "flip":
        for _ in range(random.choice((1, 1, 10))):
            if content:
                content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    elif kind == "cut":
        del content[at:]
    elif kind == "insert":
        content[at:at] = random.randbytes(random.choice((1, 8, 1_000)))
    elif kind == "repeat":
        content[at:at] = content[max(0, at - 1_000) : at]
    else:
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    path.write_bytes(content)
    return f"{kind} at {at} in {path.name}"


def _exchange(random: Random, run: Path, _victim: Path) -> str:
    first, second = _pick(random, _files(run), run), _pick(random, _files(run), run)
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    return f"{first.name} and {second.name}"


def _remove(random: Random, run: Path, _victim: Path) -> str:
    path = _free(_pick(random, _entries(run), run))
    return path.name


def _link(random: Random, run: Path, victim: Path) -> str:
    path = _free(_pick(random, _entries(run), run))
    target = random.choice(
        (
            victim / "file",
            victim / "folder",
            victim,
            run,
            run.parent,
            path,
            victim / "missing",
            Path("/dev/zero"),
            Path("/dev/full"),
            Path("/proc/self/mem"),
            Path(".."),
            Path(),
        )
    )
    path.symlink_to(target)
    return f"{path.name} -> {target}"


def _hard_link(random: Random, run: Path, victim: Path) -> str:
    path = _free(_pick(random, _files(run), run))
    path.hardlink_to(victim / "file")
    return path.name


def _linked_helper(random: Random, run: Path, victim: Path) -> str:
    """A link where logflume makes a file or folder of its own for a moment."""
    name = random.choice(
        (
            "run.lock",
            "run.json.tmp",
            ".events.jsonl.tmp",
            ".parquet.tmp",
            ".parquet.replay",
            ".parquet.damaged",
            ".training.log.replay",
            ".outputs.csv.tmp",
            "tensorboard.tmp",
            ".tensorboard.replay",
            ".events.000001.jsonl.zst.tmp",
            "outputs.csv.tmp",
            "parquet.tmp",
        )
    )
    path = _free(run / name)
    path.symlink_to(victim / random.choice(("file", "folder", "missing")))
    return name


def _change_type(random: Random, run: Path, _victim: Path) -> str:
    path = _free(_pick(random, _entries(run), run))
    kind = random.choice(("fifo", "socket", "device", "folder", "file", "empty"))
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))
    elif kind == "device" and os.geteuid() == 0:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    elif kind == "folder":
        (path / "inner").mkdir(parents=True)
    else:
        path.write_bytes(b"" if kind == "empty" else b"{}\n")
    return f"{path.name} is now: {kind}"


def _grow(random: Random, run: Path, _victim: Path) -> str:
    path = _pick(random, _files(run), run)
    os.truncate(path, 10 * 2**30)
    return path.name


def _bomb(random: Random, run: Path, _victim: Path) -> str:
    """Small compressed files with much in them: in a journal, in one line, and as a JSON text."""
    piece, count = random.choice(
        [
            (b"\x00", 2**28),
            (b"[", 2**26),
            (b"[],", 2**25),
            (b'{"a":', 2**24),
            (b"1,", 2**25),
            (b'"a",', 2**25),
            (b"\n", 2**24),
            (b"{}\n", 2**22),
        ]
    )
    path = _free(run / "events.000001.jsonl.zst")
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        start = (
            b'{"timestamp":"2026-11-23T06:00:00.123456Z","level":"info","logger":"a","event":"b",'
        )
        stream.write(start + b'"run":"r","attempt":0,"rank":0,"seq":3,"step":1,"a":[')
        for _ in range(64):
            stream.write(piece * (count // 64))
    return f"{count:,} times {piece!r}"


def _parquet_bomb(random: Random, run: Path, _victim: Path) -> str:
    """A small Parquet file with many rows, long repeated texts, many columns or row groups."""
    paths = [path for path in _files(run) if path.suffix == ".parquet"]
    path = _pick(random, paths, run / "parquet" / "training")
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = random.choice(("rows", "texts", "columns", "groups", "nested"))
    pieces, count = {"rows": (3, 1_000_000), "texts": (1, 900_000), "groups": (1_000, 1)}.get(
        kind, (1, 1_000)
    )
    zeros = pa.repeat(pa.scalar(0), count)
    columns: dict[str, Any] = dict.fromkeys(("rank", "attempt", "seq", "step"), zeros)
    columns |= {name: pa.repeat(pa.scalar("r"), count) for name in ("run", "event", "mode")}
    if kind == "texts":
        indices = pa.repeat(pa.scalar(0, pa.int32()), count)
        columns["text"] = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 100_000]))
    elif kind == "columns":
        columns |= {f"c{number}": zeros for number in range(5_000)}
    elif kind == "nested":
        offsets = pa.array(range(0, count * 10_000 + 1, 10_000), pa.int32())
        values = pa.repeat(pa.scalar(0.0), count * 10_000)
        columns["values"] = pa.ListArray.from_arrays(offsets, values)
    table = pa.table(columns)
    with pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False) as writer:
        for _ in range(pieces):
            writer.write_table(table)
    return f"{kind} in {path.name}"


def _change_columns(random: Random, run: Path, _victim: Path) -> str:
    """A part with a column of events that is missing, of another type, without values or odd."""
    paths = [path for path in _files(run) if path.suffix == ".parquet"]
    path = _pick(random, paths, run)
    table = pq.ParquetFile(path).read()
    number = random.randrange(table.num_columns)
    name = table.column_names[number]
    kind = random.choice(("drop", "text", "null", "rename", "double", "rows"))
    texts = pa.array([_text(random) for _ in range(len(table))], pa.string())
    if kind == "drop":
        table = table.remove_column(number)
    elif kind == "rename":
        renamed = _text(random)
        table = table.rename_columns(
            [*table.column_names[:number], renamed, *table.column_names[number + 1 :]]
        )
    elif kind == "rows":
        table = pa.concat_tables([table, table.slice(random.randrange(len(table)))])
    else:
        values = {"text": texts, "null": pa.nulls(len(table), table.schema.field(number).type)}
        table = table.set_column(number, name, values.get(kind, pa.array([0.5] * len(table))))
    _free(path)
    pq.write_table(table, path, store_schema=random.random() < 0.5)
    return f"{kind} {name} in {path.parent.name}/{path.name}"


def _add_names(random: Random, run: Path, victim: Path) -> str:
    parents = [run, *(path for path in _entries(run) if path.is_dir() and not path.is_symlink())]
    parent, name = random.choice(parents), random.choice(NAMES)
    path = parent / name
    if random.random() < 0.5 or name == "own.py":
        mark = victim.parent / "ran"
        path.write_text(f"open({str(mark)!r}, 'w').write('ran')\nclass Sink: pass\n")
    elif random.random() < 0.5:
        shutil.copy(_pick(random, _files(run), run), path)
    else:
        path.mkdir()
    return f"{name!r} in {parent.name}"


def _add_many(random: Random, run: Path, _victim: Path) -> str:
    pattern = random.choice(
        (
            "events-rank{}.jsonl",
            "run-rank{}.json",
            "events.{:06}.jsonl",
            "parquet/t{}/x.parquet",
            "parquet/training/part-a0000-{0:012}-{0:012}.parquet",
            "tensorboard/events.out.tfevents.{}",
            "media/{}.png",
            "environment/packages-attempt{}.txt",
        )
    )
    for number in range(random.choice((100, 100, 100, 5_000))):
        path = run / pattern.format(number + 5)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return pattern


def _change_mode(random: Random, run: Path, _victim: Path) -> str:
    path = _pick(random, _entries(run), run)
    if path.is_symlink():
        return f"{path.name} is a link"
    mode = random.choice((0o000, 0o222, 0o444, 0o555, 0o4777, 0o2777, 0o1777))
    path.chmod(mode)
    return f"{path.name}: {mode:o}"


def _change_json(random: Random, run: Path, _victim: Path) -> str:
    """Absurd values in a state, a lock, the lines of a journal or the recorded configuration."""
    names = ("run.json", "run.json", "run.lock", "events.jsonl", "events.jsonl", "config", "deep")
    name = random.choice(names)
    if name == "deep":
        (run / "run.json").write_text('{"run":' + random.choice("[{") * 1_000_000)
        return "run.json is a million deep"
    if name == "run.lock":
        holder = {"host": socket.gethostname(), "pid": 1, "since": "2026-11-23T06:00:00Z"}
        _free(run / name).write_bytes(_encode(_absurd(random, holder)))
        return name
    path = run / ("events.jsonl" if name == "config" else name)
    lines = path.read_bytes().splitlines() if name != "run.json" else [path.read_bytes()]
    is_chosen = _chooser(random, name)
    path.write_bytes(
        b"\n".join([_changed_line(random, line, name, is_chosen) for line in lines] + [b""])
    )
    return name


def _chooser(random: Random, name: str) -> Callable[[dict[str, Any]], bool]:
    if name == "config":
        return lambda event: "config" in event
    share = 1.0 if name == "run.json" else random.choice((0.02, 0.5))
    return lambda _event: random.random() < share


def _changed_line(
    random: Random, line: bytes, name: str, is_chosen: Callable[[dict[str, Any]], bool]
) -> bytes:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    if not isinstance(value, dict) or not is_chosen(value):
        return line
    if name == "config" and isinstance(value["config"], str):
        config = json.loads(value["config"])
        value["config"] = _encode(_absurd(random, config, depth=4)).decode("utf-8", "replace")
    else:
        value = _absurd(random, value)
    return _encode(value)


def _absurd(random: Random, value: Any, depth: int = 2) -> Any:
    """Return a value in which one part, at some depth, is absurd, missing or named absurdly."""
    if not isinstance(value, dict) or not value:
        return random.choice(ABSURD)
    changed = dict(value)
    for _ in range(random.choice((1, 1, 3))):
        name = random.choice(list(changed) or [""])
        choice = random.random()
        if depth > 1 and isinstance(changed.get(name), dict) and choice < 0.8:
            changed[name] = _absurd(random, changed[name], depth - 1)
        elif choice < 0.7:
            changed[name] = random.choice(ABSURD)
        elif choice < 0.85:
            changed.pop(name, None)
        else:
            changed[random.choice([str(one)[:1_000] for one in ABSURD])] = random.choice(ABSURD)
    return changed


def _text(random: Random) -> str:
    return str(random.choice(ABSURD))[:99].encode("utf-8", "replace").decode()


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("utf-8", "surrogatepass")


DAMAGES: Mapping[str, Damage] = {
    "bytes": _change_bytes,
    "exchange": _exchange,
    "remove": _remove,
    "link": _link,
    "hard link": _hard_link,
    "linked helper": _linked_helper,
    "type": _change_type,
    "grow": _grow,
    "bomb": _bomb,
    "parquet bomb": _parquet_bomb,
    "columns": _change_columns,
    "name": _add_names,
    "many": _add_many,
    "mode": _change_mode,
    "json": _change_json,
}
