"""The tokens of kept completions: ids, pieces, log-probabilities, ratios and masks.

The trainer's tensors are copied on its thread, without waiting for a GPU. Another thread selects
the completions and converts their rows. Completions are padded on the right, so the first values of
a row are those of the completion's tokens.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import msgspec

from logflume.guard import Failure, call_guarded
from logflume.training.policies import ByRatio, TokenPolicy, valid_rows
from logflume.values.arrays import NumberList, PendingArray, copy_tensor
from logflume.values.plain import to_plain
from logflume.values.snapshot import memory_bytes, snapshot

__all__ = ["SAMPLER_LOGPROBS", "TOOL_MASK", "CopiedTokens", "TokenCapture"]

SAMPLER_LOGPROBS = "sampling_per_token_logps"
TOOL_MASK = "tool_mask"

_LOGPROBS = {
    "logprob": "old_per_token_logps",
    "sampler_logprob": SAMPLER_LOGPROBS,
    "ref_logprob": "ref_per_token_logps",
}
"""Fields, and what TRL's trainers name them."""

_RATIO = "importance_sampling_ratio"
_COMPLETION_MASK = "completion_mask"
_IDS = "completion_ids"
_COPIED = (*_LOGPROBS.values(), _RATIO, TOOL_MASK, _IDS)

_PER_UNIT = 10_000
"""Values are rounded to four decimals, which are more than the numerical noise of training."""


class Pieces:
    """The texts of tokens, as the vocabulary of a tokenizer writes them.

    They are not decoded, which would lose parts of characters and leading spaces.

    Args:
        tokenizer: Has the method `convert_ids_to_tokens`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, Any] = {}

    def find(self, ids: Sequence[int]) -> list[Any]:
        """Return the text of each token; None where the vocabulary has none."""
        with suppress(KeyError):  # after a few batches, most tokens are known
            return [*map(self._known.__getitem__, ids)]
        unknown = [token for token in dict.fromkeys(ids) if token not in self._known]
        self._known.update(zip(unknown, self._convert(unknown), strict=True))
        return [self._known[token] for token in ids]

    def _convert(self, ids: list[int]) -> list[Any]:
        convert = self._tokenizer.convert_ids_to_tokens
        pieces = call_guarded(convert, ids)
        if not isinstance(pieces, Failure):
            return list(pieces)
        each = (call_guarded(convert, token) for token in ids)  # one of them is out of range
        return [None if isinstance(piece, Failure) else piece for piece in each]


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
            output: What the trainer returns for them: tensors of shape [rows, tokens].

        Raises:
            TypeError: The trainer's tokens are unknown.
        """
        if token_ids is None:
            raise TypeError("the trainer doesn't pass on the tokens of completions")
        ids = [_copy_row(row) for row in token_ids]
        names = _COPIED if output.get(TOOL_MASK) is not None else (*_COPIED, _COMPLETION_MASK)
        arrays = {name: _copy(output[name]) for name in names if output.get(name) is not None}
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
        token_ids: The tokens of each scored completion.
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
        return memory_bytes([*self.token_ids, *self.arrays.values()])

    def columns(
        self,
        generation: int,
        totals: Sequence[float | None],
        group_size: int | None,
        kept: Mapping[int, Any],
        used: Sequence[int | None],
    ) -> tuple[dict[str, list[Any]], list[str]]:
        """Return the fields of the `tokens` events of the selected completions.

        Args:
            generation: The number of the batch.
            totals: The total reward of each completion.
            group_size: Completions per prompt.
            kept: The ids of the completions that are logged, by row. No others are selected.
            used: The row of each completion in the arrays; None: it has none.

        Returns:
            The fields by name, one value for each completion, and what could not be recorded.

        Raises:
            Exception: Whatever the policy raises.
        """
        rows = _TokenRows(self, used)
        by_ratio = isinstance(self.policy, ByRatio)
        known = rows.largest_ratios(list(kept)) if by_ratio else {r: totals[r] for r in kept}
        scores = [known.get(row) for row in range(len(totals))]
        policy = self.policy.policy if isinstance(self.policy, ByRatio) else self.policy
        selected, is_valid = valid_rows(policy(generation, scores, group_size), len(totals))
        if not is_valid:
            rows.problems.append("the policy for tokens selects rows that the batch doesn't have")
        chosen = sorted({*kept} & {*selected})
        columns: dict[str, list[Any]] = {
            "id": [kept[row] for row in chosen],
            "token_ids": [_packed_ids(rows.ids[row]) for row in chosen],
        }
        if self.pieces is not None:
            columns["pieces"] = [self.pieces.find(rows.ids[row]) for row in chosen]
        fields = rows.fields(chosen)
        columns |= {name: [by_row.get(row) for row in chosen] for name, by_row in fields.items()}
        return columns, rows.problems


ByRow: TypeAlias = dict[int, Any]
"""The values of a field, one for each token, by the row of the completion: a list, or numbers as
bytes, which are sent to the worker process in a tenth of the time."""


class _TokenRows:
    """Reads rows of the tokens of a batch of completions.

    The rows are those of the scored completions.

    Args:
        tokens: The tokens.
        used: The row of each completion in the arrays, as for `CopiedTokens.columns`.

    Attributes:
        ids: The tokens of each completion.
        problems: What could not be read.
    """

    def __init__(self, tokens: CopiedTokens, used: Sequence[int | None]) -> None:
        self.ids: list[list[int]] = [
            ids if type(ids) is list else to_plain(ids) for ids in tokens.token_ids
        ]
        self.problems: list[str] = []
        self._used = used
        self._arrays = {name: _matrix(_read(array)) for name, array in tokens.arrays.items()}

    def fields(self, rows: Sequence[int]) -> dict[str, ByRow]:
        """Return what is known about the tokens of completions, by field."""
        aligned = self._aligned(self._placed(rows))
        if not aligned:
            return {}
        found = {name: self._values(key, aligned) for name, key in _LOGPROBS.items()}
        found["ratio"] = self._ratios(aligned)
        fields = {
            name: self._packed("d", _round(values), aligned)
            for name, values in found.items()
            if values is not None
        }
        mask = self._mask(aligned)
        if mask is not None and (TOOL_MASK in self._arrays or self._has_zero(mask, aligned)):
            fields["mask"] = self._packed("q", mask.long(), aligned)
        return fields

    def largest_ratios(self, rows: Sequence[int]) -> dict[int, float]:
        """Return the largest ratio of each completion's tokens, where it is known.

        It is the ratio before the trainer clips it, or sets it to 0 to mask a completion: a masked
        completion is suspicious.
        """
        placed = self._placed(rows)
        given, logs = self._values(_RATIO, placed), self._log_ratios(placed)
        if not placed or (given is None and logs is None):
            return {}
        import torch

        lengths = torch.tensor([len(self.ids[row]) for row in placed]).unsqueeze(1)
        if logs is None:
            padding = torch.arange(given.shape[1]) >= lengths
            largest = given.masked_fill(padding, -math.inf).amax(1)
        else:
            padding = torch.arange(logs.shape[1]) >= lengths
            is_per_completion = given is not None and given.shape[1] == 1
            if is_per_completion:
                largest = logs.masked_fill(padding, 0.0).sum(1).exp()
            else:
                largest = logs.masked_fill(padding, -math.inf).amax(1).exp()
        return dict(zip(placed, largest.tolist(), strict=True))

    def _placed(self, rows: Sequence[int]) -> list[int]:
        """Return the rows of completions with tokens that have a row in the arrays."""
        limit = min(map(len, self._arrays.values()), default=0)
        places = ((row, self._used[row]) for row in rows if self.ids[row])
        return [row for row, place in places if place is not None and place < limit]

    def _aligned(self, rows: list[int]) -> list[int]:
        """Return the rows in which the arrays have the tokens that were scored."""
        stored = self._rows(_IDS, rows)
        if stored is None:
            return rows
        tokens = zip(rows, stored.tolist(), strict=True)
        aligned = [row for row, ids in tokens if ids[: len(self.ids[row])] == self.ids[row]]
        if len(aligned) < len(rows):
            self.problems.append(
                "the tokens of some rows are not those that were scored, so they have no "
                "log-probabilities"
            )
        return aligned

    def _rows(self, name: str, rows: list[int]) -> Any:
        """Return rows of an array, padded; None if there is no such array."""
        array = self._arrays.get(name)
        return None if array is None else array[[self._used[row] for row in rows]]

    def _values(self, name: str, rows: list[int]) -> Any:
        """Return rows of an array, padded, as float64; None if there is no such array."""
        values = self._rows(name, rows)
        return None if values is None else values.double()

    def _packed(self, typecode: str, values: Any, rows: list[int]) -> ByRow:
        """Return the values of each row without padding; None for tokens that have none."""
        packed: ByRow = {}
        for row, items in zip(rows, values, strict=True):
            count = len(self.ids[row])
            if count > len(items):
                packed[row] = [*items.tolist(), *[None] * (count - len(items))]
            else:
                packed[row] = NumberList(typecode, items[:count].numpy().tobytes())
        return packed

    def _has_zero(self, mask: Any, rows: list[int]) -> bool:
        return any(0 in mask[i, : len(self.ids[row])] for i, row in enumerate(rows))

    def _mask(self, rows: list[int]) -> Any:
        """Return 1 for each token of the model's own that counts; None if there is no mask."""
        return self._rows(TOOL_MASK if TOOL_MASK in self._arrays else _COMPLETION_MASK, rows)

    def _ratios(self, rows: list[int]) -> Any:
        """Return the ratio of each token, as the trainer limits it; None if it is unknown."""
        given = self._values(_RATIO, rows)
        if given is None:
            logs = self._log_ratios(rows)
            return None if logs is None else logs.exp()
        width = max(len(self.ids[row]) for row in rows)
        return given.expand(-1, width) if given.shape[1] == 1 else given

    def _log_ratios(self, rows: list[int]) -> Any:
        """Return the logarithm of each token's ratio, before clipping; None if it is unknown.

        As in TRL, it is 0 for tokens that don't count, and where the sampler's probability is NaN.
        """
        trainer, sampler = (
            self._values(_LOGPROBS[name], rows) for name in ("logprob", "sampler_logprob")
        )
        if trainer is None or sampler is None:
            return None
        mask = self._mask(rows)
        difference = trainer - sampler if mask is None else (trainer - sampler) * mask
        return difference.nan_to_num(nan=0.0, posinf=math.inf, neginf=-math.inf)


def _packed_ids(ids: list[int]) -> Any:
    packed = call_guarded(array, "q", ids)
    return ids if isinstance(packed, Failure) else NumberList("q", packed.tobytes())


def _copy(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return copy_tensor(value)
    return [*map(_copy_row, value)] if isinstance(value, (list, tuple)) else _copy_row(value)


def _copy_row(row: Any) -> Any:
    # A snapshot of a long list would be truncated.
    return list(row) if isinstance(row, (list, tuple)) else snapshot(row, max_elements=sys.maxsize)


def _read(copy: Any) -> Any:
    """Return a copied array as a tensor, or as nested lists."""
    read = copy.read() if isinstance(copy, PendingArray) else copy
    return to_plain(read) if isinstance(read, list) else read


def _matrix(values: Any) -> Any:
    """Return a tensor of shape [rows, tokens], or [rows, 1], from a tensor or nested lists."""
    import torch

    if isinstance(values, torch.Tensor):
        return values.reshape(len(values), -1)
    rows = [row if isinstance(row, list) else [row] for row in values]
    width = max(map(len, rows), default=0)
    padded = [[*row, *[None] * (width - len(row))] for row in rows]
    numbers = [[math.nan if item is None else float(item) for item in row] for row in padded]
    return torch.tensor(numbers, dtype=torch.float64).reshape(len(rows), width)


def _round(values: Any) -> Any:
    # Dividing by an integer gives the float that is closest to the four decimals. Adding 0 turns
    # a negative zero into a positive one.
    return (values * _PER_UNIT).round() / _PER_UNIT + 0.0
