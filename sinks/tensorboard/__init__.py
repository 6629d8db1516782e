"""The TensorBoard sink: event files of scalars, histograms, texts, hyperparameters and a layout."""

from __future__ import annotations

from .sink import TensorBoardSink

__all__ = ["TensorBoardSink"]
