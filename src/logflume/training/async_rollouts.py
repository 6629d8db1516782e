"""Rollouts of a trainer that receives them from another process, such as `AsyncGRPOTrainer`.

The reward functions run in that other process, so the rollouts are read where the trainer takes
them from its queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.training.images import copy_messages
from logflume.training.output_rows import ArrayRows
from logflume.training.rollout_events import log_rollouts
from logflume.training.rollouts import Rollouts
from logflume.training.step_tracker import STEP_TRACKER
from logflume.training.token_capture import SAMPLER_LOGPROBS, TOOL_MASK, CopiedTokens, TokenCapture
from logflume.training.trainer_batch import CaptureOptions, ProblemReport

__all__ = ["AsyncRolloutHooks"]

_QUEUE = "rollout_queue"
_REWARD = "rewards/"

_MAX_PENDING = 1024
"""Maximum number of rollouts in a batch; a step with more has several batches."""


class AsyncRolloutHooks:
    """Wraps the method with which a trainer takes rollouts from its queue.

    A batch consists of the rollouts that were taken during one step. They have the step that was in
    progress, although the trainer may use them in the next. A rollout that is too old to be used is
    kept with `ended_by: filtered`.

    Args:
        trainer: An `AsyncGRPOTrainer`.
        options: What is captured.
    """

    def __init__(self, trainer: Any, options: CaptureOptions) -> None:
        self._trainer = trainer
        self._options = options
        self._tokens = None if options.tokens is None else TokenCapture(trainer, options.tokens)
        self._queue: Any = None
        self._original: Any = None
        self._callback: Any = None
        self._pending: list[Any] = []
        self._used: list[bool] = []
        self._step: int | None = None
        self._report = ProblemReport(trainer)

    @staticmethod
    def supports(trainer: Any) -> bool:
        """Whether the trainer has a queue of rollouts; only the main process receives any."""
        return hasattr(trainer, _QUEUE)

    def install(self) -> None:
        """Wrap the method of the queue."""
        self._queue = getattr(self._trainer, _QUEUE)
        if self._queue is None:
            return
        from logflume.training.callbacks import StepEndCallback

        self._original = vars(self._queue).get("get")
        self._queue.get = self._wrap(self._queue.get)
        self._callback = StepEndCallback(lambda: self._guarded(self.flush))
        self._trainer.add_callback(self._callback)

    def remove(self) -> None:
        """Restore the queue's own method, and log the rollouts that are left."""
        self._guarded(self.flush)
        if self._queue is None:
            return
        self._trainer.remove_callback(self._callback)
        if self._original is None:
            del self._queue.get
        else:
            self._queue.get = self._original

    def flush(self) -> None:
        """Log the rollouts that were taken since the last call."""
        samples, used = self._pending, self._used
        self._pending, self._used = [], []
        if samples:
            log_rollouts(self._rollouts(samples, used))

    def _wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def get(*args: Any, **kwargs: Any) -> Any:
            sample = original(*args, **kwargs)
            self._guarded(lambda: self._add(sample))
            return sample

        return get

    def _add(self, sample: Any) -> None:
        step = int(self._trainer.state.global_step)
        if step != self._step or len(self._pending) >= _MAX_PENDING:
            self.flush()
            self._step = step
        if self._pending and _is_same_conversation(self._pending[-1], sample):
            return
        self._pending.append(sample)
        self._used.append(not self._is_stale(sample))

    def _is_stale(self, sample: Any) -> bool:
        limit = getattr(getattr(self._trainer, "args", None), "max_staleness", None)
        version = getattr(self._trainer, "model_version", None)
        if limit is None or version is None:
            return False
        return bool(version - sample.model_version > limit)

    def _rollouts(self, samples: Sequence[Any], used: Sequence[bool]) -> Rollouts:
        names = list(
            dict.fromkeys(
                name.removeprefix(_REWARD)
                for sample in samples
                for name in sample.metrics
                if name.startswith(_REWARD)
            )
        )
        weights = getattr(self._trainer.args, "reward_weights", None) or [1.0] * len(names)
        groups = [int(sample.group_id) for sample in samples]
        masks = [list(map(int, sample.completion_mask)) for sample in samples]
        step = self._step
        starts = [mask.index(1) if 1 in mask else len(mask) for mask in masks]
        tokens = call_guarded(self._copy_tokens, samples, masks, starts)
        if isinstance(tokens, Failure):
            self._report(f"tokens could not be read: {describe(tokens.error)}")
            tokens = None
        return Rollouts(
            generation=STEP_TRACKER.next_generation("train"),
            global_step=step,
            step=None if step is None else step + 1,
            mode="train",
            prompts=[copy_messages(sample.prompt) for sample in samples],
            completions=[copy_messages(sample.completion) for sample in samples],
            names=names,
            table=[[sample.metrics.get(_REWARD + name) for name in names] for sample in samples],
            weights=dict(zip(names, map(float, weights), strict=False)),
            advantages=[float(sample.advantage) for sample in samples],
            prompt_tokens=starts,
            completion_tokens=[sum(mask) for mask in masks],
            policy_versions=[int(sample.model_version) for sample in samples],
            output_rows=ArrayRows(
                update=[row if is_used else None for row, is_used in enumerate(used)],
                prompt=range(len(samples)),
            ),
            tokens=tokens,
            group_size=_group_size(groups),
            groups=groups,
            keep=self._options.keep,
            quality=self._options.quality,
            report=self._report,
        )

    def _copy_tokens(
        self, samples: Sequence[Any], masks: Sequence[list[int]], starts: Sequence[int]
    ) -> CopiedTokens | None:
        """Return the tokens from the model's first one on, with the sampler's log-probabilities."""
        if self._tokens is None:
            return None
        token_ids = [
            list(map(int, sample.input_ids[start:]))
            for sample, start in zip(samples, starts, strict=True)
        ]
        output = {
            SAMPLER_LOGPROBS: [
                list(map(float, sample.old_log_probs[start:]))
                for sample, start in zip(samples, starts, strict=True)
            ],
            TOOL_MASK: [mask[start:] for mask, start in zip(masks, starts, strict=True)],
        }
        for missing in self._tokens.missing(output):
            self._report(missing)
        return self._tokens.copy(token_ids, output)

    def _guarded(self, call: Callable[[], None]) -> None:
        result = call_guarded(call)
        if isinstance(result, Failure):
            self._report(f"rollouts of the queue could not be logged: {describe(result.error)}")


def _is_same_conversation(last: Any, sample: Any) -> bool:
    """Whether a sample is another row of the same conversation, which a rewritten history splits.

    Rows of one conversation differ in their tokens; separate completions that are equal don't.
    """
    if last.group_id != sample.group_id or last.completion != sample.completion:
        return False
    return list(last.input_ids) != list(sample.input_ids)


def _group_size(groups: Sequence[int]) -> int | None:
    """Return the size of the groups; None unless all are of one size and contiguous."""
    sizes = set(Counter(groups).values())
    if len(sizes) != 1:
        return None
    (size,) = sizes
    starts = groups[::size]
    is_ordered = list(groups) == [group for group in starts for _ in range(size)]
    return size if is_ordered else None
