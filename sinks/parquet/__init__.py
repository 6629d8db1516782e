"""The Parquet sink: one folder of Parquet files per event type, readable at any time."""

from __future__ import annotations

from .sink import ParquetSink

__all__ = ["ParquetSink"]
