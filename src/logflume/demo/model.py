"""Loading a real model for `--model`: from the hub, a folder or a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from logflume import get_training_logger
from logflume.exceptions import LogflumeError

__all__ = ["ModelError", "load_model"]


class ModelError(LogflumeError):
    """The model of `--model` can't be loaded."""


def load_model(source: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer, ready to be trained.

    Args:
        source: A hub id, a folder, a GGUF file, or a folder with one GGUF file in it. GGUF needs
            the package `gguf`. The weights become float32, whatever they are stored as.

    Raises:
        ModelError: It can't be loaded; the text says why and what can be given.
    """
    location, options = _locate(source)
    try:
        model = _load_weights(location, options)
        tokenizer = AutoTokenizer.from_pretrained(location, padding_side="left", **options)
    except (OSError, ValueError, ImportError) as error:
        get_training_logger().error("Loading the model failed", reason=type(error).__name__)
        raise ModelError(
            f"The model {source!r} can't be loaded: {error}\n"
            "Give a hub id (that needs the network), a folder with a config.json, or a GGUF file."
        ) from error
    _freeze_embeddings_on_cpu(model)
    if tokenizer.chat_template is None:
        _end_at_empty_line(model, tokenizer)
    return model, tokenizer


def _locate(source: str) -> tuple[str, dict[str, Any]]:
    """Return what `from_pretrained` takes as the place, and its option for GGUF."""
    path = Path(source).expanduser()
    if path.suffix == ".gguf":
        return str(path.parent), {"gguf_file": path.name}
    files = sorted(path.glob("*.gguf")) if path.is_dir() else []
    if len(files) == 1 and not (path / "config.json").exists():
        return str(path), {"gguf_file": files[0].name}
    return (str(path) if path.exists() else source), {}


def _load_weights(location: str, options: dict[str, Any]) -> PreTrainedModel:
    if "gguf_file" in options:
        # Here and not above: a transformers that doesn't have it yet loads the other sources.
        from transformers import GgufConfig

        # Weights left in GGUF's blocks can't be trained.
        options = {**options, "quantization_config": GgufConfig(dequantize=True)}
    return AutoModelForCausalLM.from_pretrained(location, dtype=torch.float32, **options)


def _freeze_embeddings_on_cpu(model: PreTrainedModel) -> None:
    """Leave the embeddings as they are: of a small Gemma they are most of the weights."""
    if not torch.cuda.is_available():
        model.get_input_embeddings().requires_grad_(False)


def _end_at_empty_line(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a base model end at the empty line that follows each worked example in its prompt.

    It knows no end of turn: it would go on and invent the next question.
    """
    empty_line = tokenizer.encode("\n\n", add_special_tokens=False)
    if len(empty_line) == 1:
        model.generation_config.eos_token_id = [tokenizer.eos_token_id, *empty_line]
