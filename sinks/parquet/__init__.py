"""The Parquet sink: a folder of files for each event type, which can be read at any moment."""

from __future__ import annotations

from .sink import ParquetSink

__all__ = ["ParquetSink"]
