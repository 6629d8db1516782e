"""Ways to damage the files of a run, each with the issue that the doctor has to report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def truncate(path: Path, size_bytes: int) -> None:
    """Remove the last bytes of a file."""
    path.write_bytes(path.read_bytes()[:-size_bytes])


def first_file(folder: Path, pattern: str) -> Path:
    """Return the first file that matches a pattern."""
    return sorted(folder.glob(pattern))[0]


def tear_log(folder: Path) -> None:
    truncate(folder / "training.log", 3)


def remove_log_line(folder: Path) -> None:
    lines = (folder / "training.log").read_bytes().splitlines(keepends=True)
    (folder / "training.log").write_bytes(b"".join(lines[:4] + lines[5:]))


def tear_csv(folder: Path) -> None:
    truncate(folder / "outputs.csv", 3)


def change_csv_header(folder: Path) -> None:
    text = (folder / "outputs.csv").read_bytes()
    (folder / "outputs.csv").write_bytes(text.replace(b"true_answer", b"wrong_answer", 1))


def change_csv_cell(folder: Path) -> None:
    text = (folder / "outputs.csv").read_bytes()
    (folder / "outputs.csv").write_bytes(text.replace(b"is it 3", b"is it 4", 1))


def change_csv_position(folder: Path) -> None:
    text = (folder / "outputs.csv").read_bytes()
    changed = text.replace(b",model_output,r,0,", b",model_output,r,8,", 1)
    (folder / "outputs.csv").write_bytes(changed)


def remove_csv_comma(folder: Path) -> None:
    text = (folder / "outputs.csv").read_bytes()
    (folder / "outputs.csv").write_bytes(text.replace(b",,\n", b",\n", 1))


def duplicate_csv_rows(folder: Path) -> None:
    header, _, rows = (folder / "outputs.csv").read_bytes().partition(b"\n")
    (folder / "outputs.csv").write_bytes(header + b"\n" + rows + rows)


def remove_csv(folder: Path) -> None:
    (folder / "outputs-rank1.csv").unlink()


def remove_part(folder: Path) -> None:
    first_file(folder, "parquet/model_output/*.parquet").unlink()


def damage_part(folder: Path) -> None:
    truncate(first_file(folder, "parquet/training/*.parquet"), 40)


def copy_part(folder: Path) -> None:
    part = first_file(folder, "parquet/training/*.parquet")
    shutil.copy(part, part.with_name(part.name.replace(".parquet", "-1.parquet")))


def change_part(folder: Path) -> None:
    part = first_file(folder, "parquet/training/*.parquet")
    changed = "select * replace (loss * 2 as loss)"
    _rewrite(part, f"{changed} from read_parquet('{part}')")


def change_position(folder: Path) -> None:
    """Flip a bit that makes the `seq` of an event larger than any other."""
    part = first_file(folder, "parquet/model_output/*.parquet")
    content = bytearray(part.read_bytes())
    for offset in range(*_pages(part, "seq")):
        for bit in range(8):
            content[offset] ^= 1 << bit
            if _largest(bytes(content), "seq") > 1_000:
                part.write_bytes(content)
                return
            content[offset] ^= 1 << bit
    raise AssertionError("no such bit")


def _pages(part: Path, name: str) -> tuple[int, int]:
    """Return the offsets at which the pages of a column start and end."""
    group = pq.read_metadata(part).row_group(0)
    columns = map(group.column, range(group.num_columns))
    column = next(column for column in columns if column.path_in_schema == name)
    begin = column.dictionary_page_offset or column.data_page_offset
    return begin, begin + column.total_compressed_size


def _largest(content: bytes, name: str) -> int:
    try:
        return int(pc.max(pq.read_table(pa.BufferReader(content))[name]).as_py())
    except (OSError, ValueError):
        return 0


def narrow_part(folder: Path) -> None:
    part = first_file(folder, "parquet/odd/*.parquet")
    _rewrite(part, f"select * exclude (late) from read_parquet('{part}')")


def _rewrite(part: Path, query: str) -> None:
    draft = part.with_suffix(".new")
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"copy ({query}) to '{draft}' (format parquet)")
    draft.replace(part)


def remove_event_file(folder: Path) -> None:
    first_file(folder, "tensorboard/events*").unlink()


def tear_event_file(folder: Path) -> None:
    truncate(first_file(folder, "tensorboard/events*"), 3)


def damage_event_file(folder: Path) -> None:
    path = first_file(folder, "tensorboard/events*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def break_state(folder: Path) -> None:
    truncate(folder / "run.json", 30)


def remove_state(folder: Path) -> None:
    (folder / "run-rank1.json").unlink()


def set_state_running(folder: Path) -> None:
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"finished"', '"running"'))


def tear_journal(folder: Path) -> None:
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"timestamp":"20')


def duplicate_journal_line(folder: Path) -> None:
    lines = (folder / "events-rank1.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events-rank1.jsonl").write_bytes(b"".join([*lines, lines[-1]]))


def leave_stale_files(folder: Path) -> None:
    (folder / ".events.000001.jsonl.zst.tmp").write_bytes(b"draft")
    (folder / "run.json.tmp").write_bytes(b"{")
    (folder / ".parquet.tmp" / "x").mkdir(parents=True)
    (folder / ".outputs.csv.replay").mkdir()


DAMAGES: dict[Callable[[Path], None], tuple[str, str]] = {
    tear_log: ("training.log", "torn last line"),
    remove_log_line: ("training.log", "lines of events of the journal are missing"),
    tear_csv: ("outputs.csv", "torn last row"),
    change_csv_header: ("outputs.csv", "the header doesn't match the configuration"),
    change_csv_cell: ("outputs.csv", "events differ from the journal"),
    change_csv_position: ("outputs.csv", "events with the attempt or seq of another event"),
    remove_csv_comma: ("outputs.csv", "rows with more or fewer cells than the header"),
    duplicate_csv_rows: ("outputs.csv", "duplicate events"),
    remove_csv: ("outputs-rank1.csv", "events of the journal are missing"),
    remove_part: ("parquet/model_output", "events of the journal are missing"),
    damage_part: ("parquet/training/part-", "unreadable part"),
    copy_part: ("parquet/training", "duplicate events"),
    change_part: ("parquet/training", "events differ from the journal"),
    change_position: ("parquet/model_output/part-", "unreadable part"),
    narrow_part: ("parquet/odd", "events differ from the journal"),
    remove_event_file: ("tensorboard", "events of the journal are missing"),
    tear_event_file: ("tensorboard/events", "unreadable bytes at the end of the file"),
    damage_event_file: ("tensorboard", "events of the journal are missing"),
    break_state: ("run.json", "the run state can't be read"),
    remove_state: ("run-rank1.json", "the run state is missing"),
    set_state_running: (
        "run.json",
        "the status is 'running', but no process is writing the run: it was killed",
    ),
    tear_journal: ("events.jsonl", "torn last line"),
    duplicate_journal_line: ("events-rank1.jsonl", "duplicate events"),
    leave_stale_files: (".parquet.tmp", "stale file, left by a crash or a repair"),
}
"""Each damage, with the start of the file name and the text of its issue."""
