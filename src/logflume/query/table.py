"""The result of a query: an Arrow table that converts to pandas and Polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logflume.exceptions import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["Table"]


class Table:
    """The result of a query, stored as an Arrow table.

    Libraries that support Arrow accept it directly: `polars.DataFrame(table)`,
    `pyarrow.table(table)`, or DuckDB by the name of the variable.

    Methods and attributes of `pyarrow.Table` are available, too (`num_rows`, `schema`, `filter` …).

    Args:
        arrow: The Arrow table.

    Attributes:
        arrow: As given.

    Example:
        >>> rewards = logflume.open_run("logs/latest").rewards()
        >>> rewards.to_pandas().groupby("function")["value"].mean()
    """

    def __init__(self, arrow: pa.Table) -> None:
        self.arrow = arrow

    def to_pandas(self) -> pd.DataFrame:
        """Convert to a pandas DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            return self.arrow.to_pandas()
        except ModuleNotFoundError as error:
            raise MissingExtraError("pandas", "analysis") from error

    def to_polars(self) -> pl.DataFrame:
        """Convert to a Polars DataFrame.

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
        # `copy` and `pickle` look up attributes before `arrow` is set.
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
        """Return the HTML that a notebook shows, as formatted by pandas."""
        return str(self.to_pandas()._repr_html_())  # type: ignore[operator]

    def __repr__(self) -> str:
        return f"<Table of {len(self):,} rows: {', '.join(self.column_names)}>"
