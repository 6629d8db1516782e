"""The tokens of kept completions: ids, pieces, log-probabilities, ratios and masks.

The trainer's tensors are copied on its thread, without waiting for a GPU. Another thread selects
the completions and converts their rows. Completions are padded on the right, so the first values of
a row are those of the completion's tokens.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from logflume.guard import Failure, call_guarded
from logflume.training.policies import ByRatio, TokenPolicy
from logflume.values.arrays import PendingArray, copy_tensor
from logflume.values.plain import to_plain
from logflume.values.snapshot import memory_bytes, snapshot

__all__ = ["CopiedTokens", "TokenCapture", "TokenColumns"]

_LOGPROBS = {
    "logprob": "old_per_token_logps",
    "sampler_logprob": "sampling_per_token_logps",
    "ref_logprob": "ref_per_token_logps",
}
"""Fields, and what TRL's trainers name them."""

_RATIO = "importance_sampling_ratio"
_MASKS = ("tool_mask", "completion_mask")
_COPIED = (*_LOGPROBS.values(), _RATIO, *_MASKS, "completion_ids")

_PER_UNIT = 10_000
"""Values are rounded to four decimals, which are more than a training's numerical noise."""

_MAX_EXPONENT = 700.0
"""`math.exp` of more overflows."""


class Pieces:
    """The texts of tokens, as the vocabulary of a tokenizer writes them.

    Not decoded ones: a part of a character, or a leading space, would be lost.

    Args:
        tokenizer: Has the method `convert_ids_to_tokens`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, Any] = {}

    def find(self, ids: Sequence[int]) -> list[Any]:
        """Return the text of each token; None where the vocabulary has none."""
        unknown = [token for token in dict.fromkeys(ids) if token not in self._known]
        if unknown:
            self._known.update(zip(unknown, self._convert(unknown), strict=True))
        return [self._known[token] for token in ids]

    def _convert(self, ids: list[int]) -> list[Any]:
        convert = self._tokenizer.convert_ids_to_tokens
        pieces = call_guarded(convert, ids)
        if not isinstance(pieces, Failure):
            return list(pieces)
        each = (call_guarded(convert, token) for token in ids)  # one of them is out of range
        return [None if isinstance(piece, Failure) else piece for piece in each]


class TokenColumns(msgspec.Struct, frozen=True):
    """The fields of several `tokens` events.

    Attributes:
        columns: By name, one value for each completion.
        problems: What could not be recorded.
    """

    columns: dict[str, list[Any]]
    problems: list[str]


class TokenCapture:
    """Copies the tokens of a trainer's completions.

    Args:
        trainer: A trainer with a tokenizer.
        policy: Selects the completions whose tokens are recorded.
    """

    def __init__(self, trainer: Any, policy: TokenPolicy) -> None:
        self._policy = policy
        tokenizer = getattr(trainer, "_tokenizer", None) or getattr(
            trainer, "processing_class", None
        )
        tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # that of a multimodal processor
        has_pieces = callable(getattr(tokenizer, "convert_ids_to_tokens", None))
        self._pieces = Pieces(tokenizer) if has_pieces else None

    def copy(self, token_ids: Any, output: Mapping[str, Any]) -> CopiedTokens:
        """Return a copy of the tokens of a batch, and of what the trainer knows about each.

        Args:
            token_ids: The tokens of each scored completion.
            output: What the trainer makes of them: tensors of shape [rows, tokens].

        Raises:
            TypeError: The trainer's tokens are unknown.
        """
        if token_ids is None:
            raise TypeError("the trainer doesn't pass the tokens of completions on")
        ids = [
            list(row) if isinstance(row, (list, tuple)) else _copy_lists(row) for row in token_ids
        ]
        arrays = {name: _copy(output[name]) for name in _COPIED if output.get(name) is not None}
        return CopiedTokens(ids, arrays, self._policy, self._pieces)

    def missing(self, output: Any) -> list[str]:
        """Return a sentence for each part of the tokens that this trainer doesn't have."""
        known = output if isinstance(output, Mapping) else {}
        missing = []
        if self._pieces is None:
            missing.append("there is no tokenizer with convert_ids_to_tokens: no pieces")
        if not any(known.get(name) is not None for name in _LOGPROBS.values()):
            missing.append(
                "it computes no log-probabilities before the update, so tokens are recorded "
                "without them. TRL's GRPOTrainer computes its own with vLLM or several "
                "`num_iterations`, and those of the reference model with `beta` > 0"
            )
        has_ratio = known.get(_RATIO) is not None or all(
            known.get(_LOGPROBS[name]) is not None for name in ("logprob", "sampler_logprob")
        )
        if isinstance(self._policy, ByRatio) and not has_ratio:
            missing.append(
                "it has no ratio of trainer and sampler, by which the policy for tokens selects: "
                "no tokens are recorded"
            )
        return missing


class CopiedTokens(msgspec.Struct, frozen=True):
    """The tokens of a batch of completions.

    Attributes:
        token_ids: Those of each scored completion.
        arrays: What the trainer knows, by its own names; one row for each completion that it uses.
        policy: Selects the completions.
        pieces: The texts of tokens; None if there is no tokenizer.
    """

    token_ids: list[Any]
    arrays: dict[str, Any]
    policy: TokenPolicy
    pieces: Pieces | None

    @property
    def memory_bytes(self) -> int:
        """The approximate memory of the copies."""
        return memory_bytes([self.token_ids, *self.arrays.values()])

    def columns(
        self,
        generation: int,
        totals: Sequence[float | None],
        group_size: int | None,
        kept: Mapping[int, Any],
        used: Sequence[int | None] | None,
    ) -> TokenColumns:
        """Return the fields of the selected completions.

        Args:
            generation: The number of the batch.
            totals: The total reward of each completion.
            group_size: Completions per prompt.
            kept: The ids of the completions that are logged, by row. No others are selected.
            used: The row of each completion in the arrays; None: it has none. None instead of a
                list: the rows are the same.

        Raises:
            Exception: Whatever the policy raises.
        """
        rows = _TokenRows(self, used)
        by_ratio = isinstance(self.policy, ByRatio)
        score = rows.largest_ratio if by_ratio else totals.__getitem__
        scores = [score(row) if row in kept else None for row in range(len(totals))]
        policy = self.policy.policy if isinstance(self.policy, ByRatio) else self.policy
        selected = set(policy(generation, scores, group_size))
        chosen = [row for row in kept if row in selected]
        columns: dict[str, list[Any]] = {
            "id": [kept[row] for row in chosen],
            "token_ids": [rows.ids(row) for row in chosen],
        }
        if self.pieces is not None:
            columns["pieces"] = [self.pieces.find(ids) for ids in columns["token_ids"]]
        fields = [rows.fields(row) for row in chosen]
        names = dict.fromkeys(name for one in fields for name in one)
        columns |= {name: [one.get(name) for one in fields] for name in names}
        return TokenColumns(columns, rows.problems)


class _TokenRows:
    """The tokens of a batch by completion, read when they are needed.

    Attributes:
        problems: What could not be read.
    """

    def __init__(self, tokens: CopiedTokens, used: Sequence[int | None] | None) -> None:
        self.problems: list[str] = []
        self._token_ids = [row if type(row) is list else to_plain(row) for row in tokens.token_ids]
        self._used = used
        self._arrays = {name: _read(array) for name, array in tokens.arrays.items()}

    def ids(self, row: int) -> list[int]:
        """Return the ids of the tokens of a completion."""
        return list(map(int, self._token_ids[row]))

    def fields(self, row: int) -> dict[str, list[Any]]:
        """Return what is known about the tokens of a completion, by field."""
        count = len(self._token_ids[row])
        if count and not self._is_aligned(row):
            return {}
        found = {name: self._values(key, row) for name, key in _LOGPROBS.items()}
        given = self._values(_RATIO, row)
        log_ratio = self._log_ratio(row)
        if given is not None:
            found["ratio"] = given.expand(count) if len(given) == 1 else given
        elif log_ratio is not None:
            found["ratio"] = log_ratio.exp()
        fields = {name: _rounded(v, count) for name, v in found.items() if v is not None}
        mask = self._mask(row)
        if mask is not None and ("tool_mask" in self._arrays or not mask.all()):
            fields["mask"] = mask.long().tolist()
        return fields

    def largest_ratio(self, row: int) -> float | None:
        """Return the largest ratio of a completion's tokens; None if it is unknown.

        It is the ratio before the trainer clips it, or masks a completion by setting it to 0: what
        is masked is suspicious.
        """
        if not len(self._token_ids[row]) or not self._is_aligned(row):
            return None
        given, log_ratio = self._values(_RATIO, row), self._log_ratio(row)
        if log_ratio is None:
            return None if given is None else float(given.max())
        is_per_sequence = given is not None and len(given) == 1
        largest = log_ratio.sum() if is_per_sequence else log_ratio.max()
        return math.exp(min(float(largest), _MAX_EXPONENT))

    def _is_aligned(self, row: int) -> bool:
        """Whether the arrays have a row for a completion, with the tokens that were scored."""
        if self._place(row) is None:
            return False
        stored = self._values("completion_ids", row)
        if stored is None or stored.long().tolist() == self.ids(row):
            return True
        problem = "some rows have other tokens than were scored, so they have no log-probabilities"
        if problem not in self.problems:
            self.problems.append(problem)
        return False

    def _place(self, row: int) -> int | None:
        return row if self._used is None else self._used[row]

    def _values(self, name: str, row: int) -> Any:
        """Return a row of an array, without padding, as a tensor of float64."""
        array, place = self._arrays.get(name), self._place(row)
        if array is None or place is None or place >= len(array):
            return None
        import torch

        values = array[place]
        if not isinstance(values, torch.Tensor):
            items = values if isinstance(values, list) else [values]
            values = torch.tensor([math.nan if item is None else float(item) for item in items])
        return values.reshape(-1)[: len(self._token_ids[row])].double()

    def _mask(self, row: int) -> Any:
        """Return 1 for each token of the model's own that counts; None if there are no masks."""
        masks = [mask for name in _MASKS if (mask := self._values(name, row)) is not None]
        return math.prod(masks[1:], start=masks[0]) if masks else None

    def _log_ratio(self, row: int) -> Any:
        """Return the logarithm of each token's ratio, before clipping; None if it is unknown.

        As in TRL, it is 0 for tokens that don't count, and where the sampler's probability is NaN.
        """
        trainer, sampler = (self._values(_LOGPROBS[n], row) for n in ("logprob", "sampler_logprob"))
        if trainer is None or sampler is None:
            return None
        mask = self._mask(row)
        difference = trainer - sampler if mask is None else (trainer - sampler) * mask
        return difference.nan_to_num(nan=0.0, posinf=math.inf, neginf=-math.inf)


def _copy(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return copy_tensor(value)
    return _copy_lists(value)


def _copy_lists(value: Any) -> Any:
    return snapshot(value, max_elements=sys.maxsize)


def _read(copy: Any) -> Any:
    """Return a copied array as a tensor, or as nested lists."""
    read = copy.read() if isinstance(copy, PendingArray) else copy
    return to_plain(read) if isinstance(read, list) else read


def _rounded(values: Any, count: int) -> list[float | None]:
    """Return the values of a tensor of float64, rounded; None for tokens that have none."""
    # The division by a whole number gives the float that is written with four decimals. Adding 0
    # makes a positive zero of a negative one.
    rounded = ((values * _PER_UNIT).round() / _PER_UNIT + 0.0).tolist()
    return [*rounded, *[None] * (count - len(rounded))]
