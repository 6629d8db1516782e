"""Builds a Gemma 3 with about 92,000 random parameters and its tokenizer, offline, in a second."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

__all__ = ["build_model", "build_tokenizer"]

_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
_TAGS = ("<reasoning>", "</reasoning>", "<answer>", "</answer>")
_VOCABULARY = 354 - len(_TAGS)

# Gemma's own template, for its two roles: user and model.
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with at most 354 tokens on `texts`.

    Each tag of the answer format is one token. The tags are not special tokens, because completions
    are decoded without special tokens and the reward functions have to see the tags.
    """
    bpe = Tokenizer(models.BPE())
    # As in Gemma's tokenizer, each digit is a token of its own.
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in _TAGS])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        pad_token="<pad>",
        eos_token="<end_of_turn>",
        bos_token="<bos>",
        unk_token="<unk>",
        padding_side="left",
        chat_template=_CHAT_TEMPLATE,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> Gemma3ForCausalLM:
    """Return an untrained model for this tokenizer; `torch.manual_seed` determines its weights."""
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=256,
        # Full attention in every layer: the texts are shorter than any useful sliding window.
        layer_types=["full_attention", "full_attention"],
        # Five times the default: in a short training run, such a small model learns much faster.
        initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    # TRL reads the model's name here; it is empty because the model was not loaded from a file.
    config._name_or_path = "tiny-gemma"
    return Gemma3ForCausalLM(config)
