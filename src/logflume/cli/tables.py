"""Writes query results as a table for the terminal, or as CSV, JSON or Parquet."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, TypeAlias

import typer

from logflume.cli.printing import echo, json_bytes, print_records
from logflume.exceptions import QueryError
from logflume.guard import unended

if TYPE_CHECKING:
    import pyarrow as pa

    from logflume.query.table import Table

__all__ = ["FormatOption", "OutOption", "TableFormat", "write_table"]

_MAX_ROWS = 1_000
_STDOUT = 1


class TableFormat(StrEnum):
    """The format of a query result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


FormatOption: TypeAlias = Annotated[
    TableFormat,
    typer.Option("--format", "-f", case_sensitive=False, help="The output format."),
]
OutOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="The file to write; by default standard output.", show_default=False
    ),
]


def write_table(table: Table, as_format: TableFormat, out: Path | None) -> None:
    """Write a query result to a file or to standard output.

    Raises:
        QueryError: The file can't be written, or the format doesn't suit the destination.
    """
    if as_format is TableFormat.TABLE and out is not None:
        raise QueryError(
            f"{out}: the format table is for the terminal; use --format csv, json or parquet"
        )
    if as_format is TableFormat.TABLE:
        print_records(table.slice(0, _MAX_ROWS).to_pylist(), table.column_names)
        if len(table) > _MAX_ROWS:
            echo(f"{_MAX_ROWS:,} of {len(table):,} rows; use --format csv for all", err=True)
        return
    if as_format is TableFormat.PARQUET and out is None and sys.stdout.isatty():
        raise QueryError("Parquet can't be written to a terminal; give a file with --out")
    if out is None and sys.stdout.isatty():
        shown = io.BytesIO()
        _write(table, as_format, shown)
        echo(shown.getvalue().decode().removesuffix("\n"))
        return
    try:
        with out.open("wb") if out else open(_STDOUT, "wb", closefd=False) as file:
            _write(table, as_format, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise QueryError(f"{out or 'standard output'} can't be written: {error}") from error
    if out:
        echo(f"wrote {len(table):,} rows to {out}", err=True)


def _write(table: Table, as_format: TableFormat, file: IO[bytes]) -> None:
    if as_format is TableFormat.JSON:
        file.write(json_bytes(table.to_pylist()) + b"\n")
    elif as_format is TableFormat.PARQUET:
        import pyarrow.parquet as pq

        pq.write_table(table.arrow, file, compression="zstd")
    else:
        import pyarrow as pa
        import pyarrow.csv

        try:
            pyarrow.csv.write_csv(_without_lists(table.arrow), file)
        except pa.ArrowNotImplementedError as error:
            raise QueryError(
                f"CSV can't represent this result: {unended(error)}. Use --format json"
            ) from error


def _without_lists(table: pa.Table) -> pa.Table:
    """Convert lists to JSON text, because CSV has no lists."""
    import orjson
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = table.column(index).to_pylist()
            texts = [None if v is None else orjson.dumps(v, default=str).decode() for v in values]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
    return table
