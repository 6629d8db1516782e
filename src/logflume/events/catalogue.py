"""The event catalogue: every known type, declared once.

Each class below is one type of event. Its fields give the static types, the JSON Schema
(`logflume schema`), the declared Parquet columns and the documentation. A name with a `*` in
`families` stands for any text at that place: `rewards/*/mean` is `rewards/correctness/mean`.
A field that its type doesn't declare is of the kind of its first value (`logflume.values.kinds`).
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
    doc,
    unit,
)

__all__ = ["CATALOGUE", "SCHEMA_VERSION", "EventBase"]

SCHEMA_VERSION = 1  # raised when a declared field changes its name, type or meaning


class ModelOutput(TrainerEvent):
    """One completion of the model."""

    question: Annotated[str | None, doc("what was asked")] = None
    true_answer: Annotated[str | None, doc("the answer that is right")] = None
    model_output: Annotated[str | None, doc("the text the model wrote, whole")] = None
    reasoning: Annotated[str | None, doc("the part between the reasoning tags")] = None
    answer: Annotated[str | None, doc("the part between the answer tags")] = None
    prompt: Annotated[str | None, doc("the prompt as the model got it")] = None
    group: Annotated[int | None, doc("which prompt within the generation")] = None
    index: Annotated[int | None, doc("which completion within the group")] = None
    total: Annotated[float | None, doc("weighted sum of the rewards")] = field(
        name="rewards/total", default=None
    )
    advantage: Annotated[float | None, doc("advantage used for the update")] = None
    prompt_tokens: Annotated[int | None, unit("tokens", "length of the prompt")] = None
    completion_tokens: Annotated[int | None, unit("tokens", "length of the completion")] = None
    truncated: Annotated[bool | None, doc("cut at the length limit, no end token")] = None

    families: ClassVar[Families] = {
        "rewards/*": (float, "what one reward function gave"),
        **QUALITY_FAMILIES,
    }


class RunStarted(EventBase):
    """A run was opened; logged once more by a trainer with its hyperparameters."""

    schema_version: Annotated[int | None, doc("version of this catalogue")] = None
    config: Annotated[str | None, doc("the configuration of logflume, as JSON text")] = None
    command: Annotated[str | None, doc("the command line")] = None
    arguments: Annotated[str | None, doc("all arguments of the trainer, as JSON text")] = None
    host: Annotated[str | None, doc("name of the machine")] = None
    pid: Annotated[int | None, doc("process id")] = None
    cpu_count: Annotated[int | None, doc("CPUs this process may use")] = None
    memory_total_bytes: Annotated[int | None, unit("bytes", "memory of the machine")] = None
    gpus: Annotated[list[str | None] | None, doc("names of the GPUs this process may use")] = None
    git_commit: Annotated[str | None, doc("commit of the working folder's repository")] = None

    families: ClassVar[Families] = {
        "versions/*": (str, "version of a package, or of python"),
        "hyperparameters/*": (Any, "an argument of the trainer that was set, or is well known"),
    }


class RunFinished(EventBase):
    """A run was closed."""

    status: Annotated[str | None, doc("finished, failed, interrupted or terminated")] = None
    duration_s: Annotated[float | None, unit("s", "from run_started to here")] = None
    exception: Annotated[str | None, doc("the exception that ended it: type and message")] = None


class Training(TrainerEvent):
    """Metrics of a training step."""

    loss: Annotated[float | None, doc("training loss")] = None
    learning_rate: Annotated[float | None, doc("learning rate")] = None
    grad_norm: Annotated[float | None, doc("norm of the gradient before clipping")] = None
    epoch: Annotated[float | None, unit("epochs", "passes over the data")] = None
    reward: Annotated[float | None, doc("mean total reward")] = None
    reward_std: Annotated[float | None, doc("spread of the total reward within groups")] = None
    kl: Annotated[float | None, unit("nats", "divergence from the reference model")] = None
    entropy: Annotated[float | None, unit("nats", "mean entropy of the policy")] = None
    step_time: Annotated[float | None, unit("s", "time of the step")] = None
    num_tokens: Annotated[float | None, unit("tokens", "tokens seen so far")] = None

    families: ClassVar[Families] = {
        "rewards/*/mean": (float, "mean of one reward function"),
        "rewards/*/std": (float, "standard deviation of one reward function"),
        "completions/*": (float, "statistics of the completions"),
        **GPU_FAMILIES,
    }


class Evaluation(Training):
    """Metrics of an evaluation; the names are those of `training`, without a prefix `eval_`."""

    runtime: Annotated[float | None, unit("s", "time of the evaluation")] = None


class Summary(TrainerEvent):
    """What a trainer says at the end of a training: `train_runtime`, `train_loss` and so on."""

    train_runtime: Annotated[float | None, unit("s", "time of the whole training")] = None
    train_loss: Annotated[float | None, doc("mean loss over the training")] = None


class Reward(TrainerEvent):
    """The rewards of one batch of completions, with their statistics."""

    num_generations: Annotated[int | None, doc("completions a group, for frac_zero_std")] = None

    families: ClassVar[Families] = {
        "rewards/*": (
            list[float | None],
            "one value a completion; null: the function does not apply",
        ),
        "rewards/*/mean": (float, "mean of the values that apply"),
        "rewards/*/std": (float, "sample standard deviation (n - 1), as TRL gives it"),
        "rewards/*/min": (float, "least value"),
        "rewards/*/max": (float, "greatest value"),
        "rewards/*/n": (int, "how many values apply"),
        "rewards/*/frac_zero_std": (float, "share of the groups whose values are all the same"),
        "frac_all_correct": (float, "share of this rank's groups with right answers only"),
        "frac_none_correct": (float, "share of this rank's groups without a right answer"),
        "weights/*": (float, "weight of a function in the total, 1 where not given"),
    }


class Generation(TrainerEvent):
    """One batch of rollouts."""

    rows: Annotated[int | None, doc("completions on this rank")] = None
    generate_s: Annotated[float | None, unit("s", "time of generating")] = None

    families: ClassVar[Families] = {
        "reward_s/*": (float, "time of one reward function, in seconds"),
        "quality/*/mean": (float, "mean over the logged outputs; of yes and no the share"),
        "quality/n": (int, "outputs that were measured"),
    }


class System(EventBase):
    """Resources of the process, the machine and its GPUs."""

    process_memory_bytes: Annotated[int | None, unit("bytes", "resident memory of the process")] = (
        None
    )
    process_cpu_percent: Annotated[
        float | None, unit("%", "CPU of the process, 100 is one core")
    ] = None
    cpu_percent: Annotated[float | None, unit("%", "CPU of the machine, 100 is all of it")] = None
    memory_used_bytes: Annotated[int | None, unit("bytes", "memory in use on the machine")] = None
    memory_total_bytes: Annotated[int | None, unit("bytes", "memory of the machine")] = None
    disk_free_bytes: Annotated[int | None, unit("bytes", "room where the logs are written")] = None
    disk_read_bytes: Annotated[int | None, unit("bytes", "read by the process so far")] = None
    disk_written_bytes: Annotated[int | None, unit("bytes", "written by the process so far")] = None
    network_sent_bytes: Annotated[int | None, unit("bytes", "sent by the machine so far")] = None
    network_received_bytes: Annotated[
        int | None, unit("bytes", "received by the machine so far")
    ] = None

    families: ClassVar[Families] = GPU_FAMILIES


class Checkpoint(TrainerEvent):
    """A checkpoint was saved."""

    path: Annotated[str | None, doc("where it was saved")] = None


class Alert(EventBase):
    """Something a person would want to be told while a training runs."""

    signal: Annotated[str | None, doc("name of the signal: reward_with_truncation …")] = None
    message: Annotated[str | None, doc("one sentence, with the numbers")] = None
    metric: Annotated[str | None, doc("what value, before and threshold are of")] = None
    value: Annotated[float | None, doc("the metric now, or as the message says")] = None
    before: Annotated[float | None, doc("an earlier window, or the trend")] = None
    threshold: Annotated[float | None, doc("the limit that was passed")] = None
    reward: Annotated[float | None, doc("mean reward of the last window")] = None
    reward_before: Annotated[float | None, doc("mean reward of the earlier window")] = None
    function: Annotated[str | None, doc("the reward function it is about")] = None
    other_function: Annotated[str | None, doc("the second, where it is about two")] = None
    window_reports: Annotated[int | None, unit("reports", "length of the window")] = None


class Message(EventBase):
    """Text for people: any log call whose first argument is not a type's name."""

    message: Annotated[str | None, doc("the text")] = None


class ExceptionEvent(EventBase):
    """An exception that nobody caught, in any thread."""

    message: Annotated[str | None, doc("where it came up")] = None
    thread: Annotated[str | None, doc("name of the thread")] = None


class PipelineEvent(EventBase):
    """The pipeline's own report: a fault of a sink or processor, or the counts at the end."""

    status: Annotated[str | None, doc("report, failed, recovered or limited")] = None
    message: Annotated[str | None, doc("the text")] = None
    component: Annotated[str | None, doc("name of the sink or processor")] = None
    reason: Annotated[str | None, doc("what went wrong: exception type and text")] = None
    accepted: Annotated[int | None, doc("events taken from the training code")] = None
    written: Annotated[int | None, doc("events that left the chain")] = None
    dropped: Annotated[int | None, doc("events lost to a full buffer")] = None
    misfits: Annotated[int | None, doc("values in extras, for they did not fit")] = None

    families: ClassVar[Families] = {
        "sinks/*/accepted": (int, "events routed to the sink"),
        "sinks/*/written": (int, "events it took"),
        "sinks/*/dropped": (int, "events it did not get or take"),
        "sinks/*/dropped/*": (int, "the same by reason"),
        "sinks/*/failed": (int, "calls of it that raised"),
        "sinks/*/filled_in": (int, "events it got that earlier attempts had left out"),
        "processors/*/failed": (int, "calls that raised; the event went on without it"),
    }


CATALOGUE: dict[str, type[EventBase]] = {
    "model_output": ModelOutput,
    "run_started": RunStarted,
    "run_finished": RunFinished,
    "training": Training,
    "evaluation": Evaluation,
    "summary": Summary,
    "reward": Reward,
    "generation": Generation,
    "system": System,
    "checkpoint": Checkpoint,
    "alert": Alert,
    "message": Message,
    "exception": ExceptionEvent,
    "pipeline": PipelineEvent,
}
"""The declared types by name."""
