"""The training scripts behind `make demo`: GRPO on a tiny Gemma, logged completely."""
