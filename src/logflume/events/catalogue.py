"""The event catalogue, which declares every event type once.

Each class below is one event type. Its fields define the static types, the JSON Schema
(`logflume schema`), the declared Parquet columns and the documentation. In `families`, a `*` in a
name matches any text: `rewards/*/mean` matches `rewards/correctness/mean`. A field that its type
doesn't declare has the kind of its first value (`logflume.values.kinds`). `has_curves` says whether
`logflume show`, TensorBoard and the page draw the type's numbers.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import field

from logflume.events.reserved import (
    GPU_FAMILIES,
    QUALITY_FAMILIES,
    EventBase,
    Families,
    TrainerEvent,
    aggregated,
    doc,
    unit,
)

__all__ = ["CATALOGUE", "SCHEMA_VERSION", "EventBase", "has_curves"]

SCHEMA_VERSION = 1  # incremented when a declared field changes its name, type or meaning


class ModelOutput(TrainerEvent):
    """One completion of the model."""

    has_curves: ClassVar[bool] = False

    id: Annotated[
        str | None, doc("id of the completion in its run: `<writer>-<attempt>-<n>`, n from 0")
    ] = None
    prompt_id: Annotated[
        str | None, doc("id of the prompt, the same in all steps and runs: a hash of it")
    ] = None
    question: Annotated[str | None, doc("question in the prompt")] = None
    true_answer: Annotated[str | None, doc("correct answer")] = None
    model_output: Annotated[
        str | None, doc("complete text of the completion, with thinking, tool calls and results")
    ] = None
    messages: Annotated[
        str | None, doc("the completion as the trainer had it, if it is a conversation: JSON text")
    ] = None
    reasoning: Annotated[str | None, doc("thinking, or the text between the reasoning tags")] = None
    answer: Annotated[str | None, doc("text between the answer tags")] = None
    prompt: Annotated[str | None, doc("text of the prompt, system messages included")] = None
    prompt_messages: Annotated[
        str | None, doc("the prompt as the trainer had it, if it is a conversation: JSON text")
    ] = None
    tools: Annotated[str | None, doc("definitions of the tools in the prompt, as JSON text")] = None
    group: Annotated[int | None, doc("number of the prompt within the generation")] = None
    index: Annotated[int | None, doc("number of the completion within the group")] = None
    total: Annotated[float | None, doc("weighted sum of the rewards")] = field(
        name="rewards/total", default=None
    )
    advantage: Annotated[float | None, doc("advantage used for the update")] = None
    prompt_tokens: Annotated[int | None, unit("tokens", "length of the prompt")] = None
    completion_tokens: Annotated[int | None, unit("tokens", "tokens that the model produced")] = (
        None
    )
    truncated: Annotated[bool | None, doc("cut off at the length limit, without an end token")] = (
        None
    )
    ended_by: Annotated[
        str | None, doc("why it ended: stop, length, tool_limit, or filtered by the trainer")
    ] = None
    turns: Annotated[int | None, doc("messages of the model")] = None
    tool_calls: Annotated[int | None, doc("tool calls that the model made")] = None
    tool_failures: Annotated[int | None, doc("tool calls whose result reports a failure")] = None
    policy_version: Annotated[
        int | None, doc("version of the weights that generated it, of an asynchronous trainer")
    ] = None

    families: ClassVar[Families] = {
        "rewards/*": (float, "reward from one reward function; null if it does not apply"),
        "rewards/total": (float, "weighted sum of the rewards"),
        **QUALITY_FAMILIES,
    }


class Tokens(TrainerEvent):
    """The tokens of one logged completion. All lists are as long as `token_ids`."""

    has_curves: ClassVar[bool] = False

    id: Annotated[str | None, doc("id of the completion")] = None
    token_ids: Annotated[
        list[int | None] | None, doc("tokens of the completion, those of tools included")
    ] = None
    pieces: Annotated[
        list[str | None] | None, doc("tokens as the tokenizer's vocabulary writes them")
    ] = None
    logprob: Annotated[
        list[float | None] | None,
        unit("nats", "log-probabilities by the trainer, before the update"),
    ] = None
    sampler_logprob: Annotated[
        list[float | None] | None, unit("nats", "log-probabilities by the sampler, such as vLLM")
    ] = None
    ref_logprob: Annotated[
        list[float | None] | None, unit("nats", "log-probabilities by the reference model")
    ] = None
    ratio: Annotated[
        list[float | None] | None,
        doc("importance ratio of trainer and sampler, as the trainer uses it"),
    ] = None
    mask: Annotated[
        list[int | None] | None, doc("1: the model's own token, 0: one that does not count")
    ] = None


class RunStarted(EventBase):
    """A run was opened. A trainer logs a second one, with its hyperparameters."""

    has_curves: ClassVar[bool] = False

    schema_version: Annotated[int | None, doc("version of the event catalogue")] = None
    config: Annotated[str | None, doc("configuration of logflume, as JSON text")] = None
    command: Annotated[str | None, doc("command line of the process")] = None
    arguments: Annotated[str | None, doc("all arguments of the trainer, as JSON text")] = None
    host: Annotated[str | None, doc("host name of the machine")] = None
    pid: Annotated[int | None, doc("process id")] = None
    cpu_count: Annotated[int | None, doc("number of CPUs available to the process")] = None
    memory_total_bytes: Annotated[int | None, unit("bytes", "total memory of the machine")] = None
    gpus: Annotated[list[str | None] | None, doc("names of the GPUs available to the process")] = (
        None
    )
    git_commit: Annotated[str | None, doc("Git commit of the working folder's repository")] = None

    tags: Annotated[list[str | None] | None, doc("words to find the run by")] = None
    notes: Annotated[str | None, doc("what the user noted about the run")] = None
    total_steps: Annotated[int | None, doc("steps that the trainer plans to make")] = None

    families: ClassVar[Families] = {
        "versions/*": (str, "version of a package, or of Python"),
        "hyperparameters/*": (
            Any,
            "given to initialize, or an argument of the trainer that is important or differs from "
            "its default",
        ),
    }


class RunFinished(EventBase):
    """A run was closed."""

    has_curves: ClassVar[bool] = False

    status: Annotated[str | None, doc("finished, failed, interrupted or terminated")] = None
    duration_s: Annotated[float | None, unit("s", "time since run_started")] = None
    exception: Annotated[
        str | None, doc("type and message of the exception that ended the run")
    ] = None


class Training(TrainerEvent):
    """Metrics of a training step."""

    loss: Annotated[float | None, doc("training loss")] = None
    learning_rate: Annotated[float | None, doc("learning rate", "last")] = None
    grad_norm: Annotated[float | None, doc("norm of the gradient before clipping")] = None
    epoch: Annotated[float | None, unit("epochs", "passes over the data", "last")] = None
    reward: Annotated[float | None, doc("mean total reward")] = None
    reward_std: Annotated[
        float | None, doc("standard deviation of the total reward within groups")
    ] = None
    kl: Annotated[float | None, unit("nats", "KL divergence from the reference model")] = None
    entropy: Annotated[float | None, unit("nats", "mean entropy of the policy")] = None
    step_time: Annotated[float | None, unit("s", "duration of the step")] = None
    num_tokens: Annotated[float | None, unit("tokens", "tokens processed so far", "last")] = None

    families: ClassVar[Families] = {
        "rewards/*/mean": (float, "mean of one reward function"),
        "rewards/*/std": (float, "standard deviation of one reward function"),
        "completions/*": (float, "statistics of the completions"),
        "completions/min_*": (Annotated[float, aggregated("min")], "length of the shortest"),
        "completions/max_*": (Annotated[float, aggregated("max")], "length of the longest"),
        **GPU_FAMILIES,
    }


class Evaluation(Training):
    """Metrics of an evaluation, named as in `training`, without the prefix `eval_`."""

    runtime: Annotated[float | None, unit("s", "duration of the evaluation")] = None


class Summary(TrainerEvent):
    """What a trainer reports at the end of training: `train_runtime`, `train_loss` and so on."""

    has_curves: ClassVar[bool] = False

    train_runtime: Annotated[float | None, unit("s", "duration of the training session")] = None
    train_loss: Annotated[float | None, doc("mean loss over the training session")] = None


class Reward(TrainerEvent):
    """The rewards of one batch of completions, with their statistics."""

    num_generations: Annotated[
        int | None, doc("completions per group, for frac_zero_std", "last")
    ] = None
    groups: Annotated[int | None, doc("number of this rank's groups", "sum")] = None

    families: ClassVar[Families] = {
        "rewards/*": (
            list[float | None],
            "one value per completion; null if the function does not apply",
        ),
        "rewards/*/mean": (float, "mean of the values that are not null"),
        "rewards/*/std": (float, "sample standard deviation (n - 1), as in TRL"),
        "rewards/*/min": (float, "minimum"),
        "rewards/*/max": (float, "maximum"),
        "rewards/*/n": (int, "number of values that are not null"),
        "rewards/*/frac_zero_std": (float, "share of the groups whose values are all equal"),
        "frac_all_correct": (float, "share of this rank's groups in which all answers are correct"),
        "frac_none_correct": (float, "share of this rank's groups in which no answer is correct"),
        "weights/*": (
            Annotated[float, aggregated("last")],
            "weight of a reward function in the total; 1 if absent",
        ),
    }


class Generation(TrainerEvent):
    """The generation of one batch of completions: its durations and measures."""

    rows: Annotated[int | None, doc("number of completions on this rank", "sum")] = None
    generate_s: Annotated[float | None, unit("s", "duration of the generation")] = None

    families: ClassVar[Families] = {
        "reward_s/*": (float, "duration of one reward function, in seconds"),
        "metrics/*": (float, "mean of what reward functions logged with log_metric for the batch"),
        "quality/*/mean": (
            float,
            "mean over the logged completions; for booleans, the share that is true",
        ),
        "quality/n": (int, "number of completions that were measured"),
    }


class System(EventBase):
    """Resource usage of the process, the machine and its GPUs."""

    process_memory_bytes: Annotated[int | None, unit("bytes", "resident memory of the process")] = (
        None
    )
    process_cpu_percent: Annotated[
        float | None, unit("%", "CPU usage of the process; 100 is one core")
    ] = None
    cpu_percent: Annotated[
        float | None, unit("%", "CPU usage of the machine; 100 is all cores")
    ] = None
    memory_used_bytes: Annotated[int | None, unit("bytes", "memory in use on the machine")] = None
    memory_total_bytes: Annotated[int | None, unit("bytes", "total memory of the machine")] = None
    disk_free_bytes: Annotated[
        int | None, unit("bytes", "free space where the logs are written")
    ] = None
    disk_read_bytes: Annotated[int | None, unit("bytes", "read by the process so far", "last")] = (
        None
    )
    disk_written_bytes: Annotated[
        int | None, unit("bytes", "written by the process so far", "last")
    ] = None
    network_sent_bytes: Annotated[
        int | None, unit("bytes", "sent by the machine so far", "last")
    ] = None
    network_received_bytes: Annotated[
        int | None, unit("bytes", "received by the machine so far", "last")
    ] = None

    families: ClassVar[Families] = GPU_FAMILIES


class Rank(EventBase):
    """What one rank did in a step. Every rank logs it; `run.ranks()` compares them."""

    host: Annotated[str | None, doc("host name of the machine")] = None
    local_rank: Annotated[int | None, doc("rank of the process on its machine", "last")] = None
    generate_s: Annotated[float | None, unit("s", "time of the generation")] = None
    rewards_s: Annotated[float | None, unit("s", "time of the reward functions")] = None
    wait_s: Annotated[
        float | None, unit("s", "time of gathering, mostly waiting for other ranks")
    ] = None
    step_s: Annotated[float | None, unit("s", "duration of the step")] = None
    memory_bytes: Annotated[int | None, unit("bytes", "resident memory of the process")] = None
    gpu_peak_bytes: Annotated[
        int | None, unit("bytes", "peak of the memory that torch has allocated on one GPU")
    ] = None


class Checkpoint(TrainerEvent):
    """A checkpoint was saved."""

    path: Annotated[str | None, doc("path of the checkpoint")] = None


class Alert(EventBase):
    """A problem in a running training that needs attention."""

    has_curves: ClassVar[bool] = False

    signal: Annotated[str | None, doc("name of the signal, such as reward_with_truncation")] = None
    severity: Annotated[str | None, doc("info, warning or critical")] = None
    message: Annotated[
        str | None, doc("one sentence that describes the problem, with its numbers")
    ] = None
    metric: Annotated[str | None, doc("metric that value, before and threshold refer to")] = None
    value: Annotated[
        float | None, doc("current value of the metric, or the value in the message")
    ] = None
    before: Annotated[
        float | None, doc("value in an earlier window, or expected from the trend")
    ] = None
    threshold: Annotated[float | None, doc("limit that was crossed")] = None
    cause: Annotated[str | None, doc("likely cause")] = None
    try_next: Annotated[str | None, doc("what to try, with keys of trainers' configurations")] = (
        None
    )
    completions: Annotated[
        list[str | None] | None, doc("ids of completions that satisfy the condition")
    ] = None
    condition: Annotated[str | None, doc("what is true of these completions")] = None
    over_since: Annotated[
        int | None,
        doc("the problem is over: last step at which it was seen; None where it is raised"),
    ] = None
    reward: Annotated[float | None, doc("mean reward of the last window")] = None
    reward_before: Annotated[float | None, doc("mean reward of the earlier window")] = None
    function: Annotated[str | None, doc("reward function that the alert is about")] = None
    other_function: Annotated[
        str | None, doc("second reward function, if the alert is about two")
    ] = None


class Message(EventBase):
    """A text message: any log call whose first argument is not a name of an event type."""

    has_curves: ClassVar[bool] = False

    message: Annotated[str | None, doc("text of the message")] = None


class ExceptionEvent(EventBase):
    """An uncaught exception, in any thread."""

    has_curves: ClassVar[bool] = False

    message: Annotated[str | None, doc("text that names the thread")] = None
    thread: Annotated[str | None, doc("name of the thread")] = None


class PipelineEvent(EventBase):
    """A report of the pipeline: a fault of a sink or processor, or the counts at the end."""

    has_curves: ClassVar[bool] = False

    status: Annotated[str | None, doc("report, failed, recovered or limited")] = None
    message: Annotated[str | None, doc("text of the message")] = None
    component: Annotated[str | None, doc("the sink, processor, field or event type")] = None
    reason: Annotated[
        str | None,
        doc("why: of an exception its type and text, and where in the user's code it was raised"),
    ] = None
    accepted: Annotated[
        int | None, doc("events that are to be written; equals written + dropped")
    ] = None
    written: Annotated[int | None, doc("events handed to the sinks")] = None
    dropped: Annotated[
        int | None, doc("events that the full buffer dropped, or that could not be read")
    ] = None
    misfits: Annotated[
        int | None, doc("values kept in extras because they did not fit their column")
    ] = None

    families: ClassVar[Families] = {
        "sinks/*/accepted": (int, "events routed to the sink"),
        "sinks/*/written": (int, "events written by the sink"),
        "sinks/*/dropped": (int, "events not written by the sink"),
        "sinks/*/dropped/*": (int, "events not written by the sink, by reason"),
        "sinks/*/failed": (int, "calls of the sink that raised"),
        "sinks/*/filled_in": (int, "events of earlier attempts that the sink was missing"),
        "processors/*/failed": (
            int,
            "calls of the processor that raised; the event continued without it",
        ),
    }


CATALOGUE: dict[str, type[EventBase]] = {
    "model_output": ModelOutput,
    "tokens": Tokens,
    "run_started": RunStarted,
    "run_finished": RunFinished,
    "training": Training,
    "evaluation": Evaluation,
    "summary": Summary,
    "reward": Reward,
    "generation": Generation,
    "system": System,
    "rank": Rank,
    "checkpoint": Checkpoint,
    "alert": Alert,
    "message": Message,
    "exception": ExceptionEvent,
    "pipeline": PipelineEvent,
}
"""The declared event types by name."""


def has_curves(event_type: str) -> bool:
    """Whether the numbers of an event type are curves. Those of undeclared types are.

    >>> has_curves("training"), has_curves("alert"), has_curves("my.type")
    (True, False, True)
    """
    return CATALOGUE.get(event_type, EventBase).has_curves
