"""The runnable training scripts behind `make demo`: GRPO on a tiny Gemma, with all of it logged."""
