"""The answer to a question: a table that goes wherever tables go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logflume.exceptions import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["Table"]


class Table:
    """Rows and columns, held as Arrow.

    Anything that takes Arrow takes it as it is: `polars.DataFrame(table)`, `pyarrow.table(table)`,
    DuckDB by the name of the variable.

    It has the methods and attributes of a `pyarrow.Table`, too (`num_rows`, `schema`, `filter` …).

    Args:
        arrow: The table.

    Attributes:
        arrow: The same.

    Example:
        >>> rewards = logflume.open_run("logs/latest").rewards()
        >>> rewards.to_pandas().groupby("function")["value"].mean()
    """

    def __init__(self, arrow: pa.Table) -> None:
        self.arrow = arrow

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            return self.arrow.to_pandas()
        except ModuleNotFoundError as error:
            raise MissingExtraError("pandas", "analysis") from error

    def to_polars(self) -> pl.DataFrame:
        """Return a Polars DataFrame.

        Raises:
            MissingExtraError: Polars is not installed.
        """
        try:
            import polars as pl
        except ModuleNotFoundError as error:
            raise MissingExtraError("polars", "analysis") from error
        return pl.DataFrame(self.arrow)

    def to_pylist(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return self.arrow.to_pylist()

    def __getattr__(self, name: str) -> Any:
        # Also asked while a copy is made, before there is a table.
        if name.startswith("__") or name == "arrow":
            raise AttributeError(name)
        return getattr(self.arrow, name)

    def __getitem__(self, column: str) -> Any:
        return self.arrow[column]

    def __len__(self) -> int:
        return self.arrow.num_rows

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        arrow: Any = self.arrow
        return arrow.__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table as pandas has it."""
        return str(self.to_pandas()._repr_html_())  # type: ignore[operator]

    def __repr__(self) -> str:
        return f"<Table of {len(self):,} rows: {', '.join(self.column_names)}>"
