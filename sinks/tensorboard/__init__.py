"""The TensorBoard sink: event files with scalars, histograms, texts, hyperparameters and charts."""

from __future__ import annotations

from .sink import TensorBoardSink

__all__ = ["TensorBoardSink"]
