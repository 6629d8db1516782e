"""Loads the model of `--model` from the Hugging Face Hub, a folder or a GGUF file."""

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
    """Load a causal language model and its tokenizer for training.

    Args:
        source: A Hub id, a folder, a GGUF file, or a folder that contains one GGUF file. GGUF
            requires the package `gguf`. The weights are converted to float32.

    Returns:
        The model and its tokenizer, which pads on the left.

    Raises:
        ModelError: The model can't be loaded; the message has the reason and the valid sources.
    """
    location, options = _locate(source)
    try:
        model = _load_weights(location, options)
        tokenizer = AutoTokenizer.from_pretrained(location, padding_side="left", **options)
    except (OSError, ValueError, ImportError) as error:
        get_training_logger().error("Loading the model failed", reason=type(error).__name__)
        raise ModelError(
            f"The model {source!r} can't be loaded: {error}\n"
            "Use a Hub id (requires network access), a folder with a config.json, or a GGUF file."
        ) from error
    _freeze_embeddings_on_cpu(model)
    if tokenizer.chat_template is None:
        _end_at_empty_line(model, tokenizer)
    return model, tokenizer


def _locate(source: str) -> tuple[str, dict[str, Any]]:
    """Return the location for `from_pretrained`, and its option for a GGUF file."""
    path = Path(source).expanduser()
    if path.suffix == ".gguf":
        return str(path.parent), {"gguf_file": path.name}
    files = sorted(path.glob("*.gguf")) if path.is_dir() else []
    if len(files) == 1 and not (path / "config.json").exists():
        return str(path), {"gguf_file": files[0].name}
    return (str(path) if path.exists() else source), {}


def _load_weights(location: str, options: dict[str, Any]) -> PreTrainedModel:
    if "gguf_file" in options:
        # Imported late, so that versions of transformers without it can load the other sources.
        from transformers import GgufConfig

        # Quantized weights can't be trained.
        options = {**options, "quantization_config": GgufConfig(dequantize=True)}
    return AutoModelForCausalLM.from_pretrained(location, dtype=torch.float32, **options)


def _freeze_embeddings_on_cpu(model: PreTrainedModel) -> None:
    """Exclude the embeddings from training on a CPU: most weights of a small Gemma."""
    if not torch.cuda.is_available():
        model.get_input_embeddings().requires_grad_(False)


def _end_at_empty_line(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make a base model stop at an empty line, as after each worked example in its prompt.

    A base model has no end-of-turn token: it would continue with another question.
    """
    empty_line = tokenizer.encode("\n\n", add_special_tokens=False)
    if len(empty_line) == 1:
        model.generation_config.eos_token_id = [tokenizer.eos_token_id, *empty_line]
