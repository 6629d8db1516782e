"""The event catalogue: every known type, declared once.

Each class below is one type of event. Its fields give the static types, the JSON Schema
(`logflume schema`), the declared Parquet columns and the documentation. A name with a `*` in
`families` stands for any text at that place: `rewards/*/mean` is `rewards/correctness/mean`.

An event may carry fields that its type doesn't declare: their type is then fixed by
the first value (see `logflume.values.columns`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import field

from logflume.event_base import GPU_FAMILIES, EventBase, Families, Numbers, Texts
from logflume.event_base import describe as _doc
from logflume.event_base import measure as _unit

__all__ = ["CATALOGUE", "SCHEMA_VERSION", "EventBase"]

SCHEMA_VERSION = 1
"""Raised when a declared field changes its name, type or meaning."""


class ModelOutput(EventBase):
    """One completion of the model."""

    question: Annotated[str | None, _doc("what was asked")] = None
    true_answer: Annotated[str | None, _doc("the answer that is right")] = None
    model_output: Annotated[str | None, _doc("the text the model wrote, whole")] = None
    reasoning: Annotated[str | None, _doc("the part between the reasoning tags")] = None
    answer: Annotated[str | None, _doc("the part between the answer tags")] = None
    prompt: Annotated[str | None, _doc("the prompt as the model got it")] = None
    generation: Annotated[
        int | None, _doc("which batch of rollouts, from 0 within the attempt")
    ] = None
    group: Annotated[int | None, _doc("which prompt within the generation")] = None
    index: Annotated[int | None, _doc("which completion within the group")] = None
    total: Annotated[float | None, _doc("weighted sum of the rewards")] = field(
        name="rewards/total", default=None
    )
    advantage: Annotated[float | None, _doc("advantage used for the update")] = None
    prompt_tokens: Annotated[int | None, _unit("tokens", "length of the prompt")] = None
    completion_tokens: Annotated[int | None, _unit("tokens", "length of the completion")] = None
    truncated: Annotated[bool | None, _doc("cut at the length limit, no end token")] = None

    families: ClassVar[Families] = {"rewards/*": (float, "what one reward function gave")}


class RunStarted(EventBase):
    """A run was opened; logged once more by a trainer with its hyperparameters."""

    schema_version: Annotated[int | None, _doc("version of this catalogue")] = None
    config: Annotated[str | None, _doc("the configuration of logflume, as JSON text")] = None
    command: Annotated[str | None, _doc("the command line")] = None
    arguments: Annotated[str | None, _doc("all arguments of the trainer, as JSON text")] = None
    host: Annotated[str | None, _doc("name of the machine")] = None
    pid: Annotated[int | None, _doc("process id")] = None
    cpu_count: Annotated[int | None, _doc("CPUs this process may use")] = None
    memory_total_bytes: Annotated[int | None, _unit("bytes", "memory of the machine")] = None
    gpus: Annotated[Texts | None, _doc("names of the GPUs this process may use")] = None
    git_commit: Annotated[str | None, _doc("commit of the working folder's repository")] = None

    families: ClassVar[Families] = {
        "versions/*": (str, "version of a package, or of python"),
        "hyperparameters/*": (Any, "an argument of the trainer that was set, or is well known"),
    }


class RunFinished(EventBase):
    """A run was closed."""

    status: Annotated[str | None, _doc("finished, failed, interrupted or terminated")] = None
    duration_s: Annotated[float | None, _unit("s", "from run_started to here")] = None
    exception: Annotated[str | None, _doc("the exception that ended it: type and message")] = None


class Training(EventBase):
    """Metrics of a training step."""

    loss: Annotated[float | None, _doc("training loss")] = None
    learning_rate: Annotated[float | None, _doc("learning rate")] = None
    grad_norm: Annotated[float | None, _doc("norm of the gradient before clipping")] = None
    epoch: Annotated[float | None, _unit("epochs", "passes over the data")] = None
    reward: Annotated[float | None, _doc("mean total reward")] = None
    reward_std: Annotated[float | None, _doc("spread of the total reward within groups")] = None
    kl: Annotated[float | None, _unit("nats", "divergence from the reference model")] = None
    entropy: Annotated[float | None, _unit("nats", "mean entropy of the policy")] = None
    step_time: Annotated[float | None, _unit("s", "time of the step")] = None
    num_tokens: Annotated[float | None, _unit("tokens", "tokens seen so far")] = None

    families: ClassVar[Families] = {
        "rewards/*/mean": (float, "mean of one reward function"),
        "rewards/*/std": (float, "standard deviation of one reward function"),
        "completions/*": (float, "statistics of the completions"),
        **GPU_FAMILIES,
    }


class Evaluation(Training):
    """Metrics of an evaluation; the names are those of `training`, without a prefix `eval_`."""

    runtime: Annotated[float | None, _unit("s", "time of the evaluation")] = None


class Summary(EventBase):
    """What a trainer says at the end of a training: `train_runtime`, `train_loss` and so on."""

    train_runtime: Annotated[float | None, _unit("s", "time of the whole training")] = None
    train_loss: Annotated[float | None, _doc("mean loss over the training")] = None


class Reward(EventBase):
    """The rewards of one batch of completions, with their statistics."""

    num_generations: Annotated[
        int | None, _doc("completions a group: what frac_zero_std needs")
    ] = None

    families: ClassVar[Families] = {
        "rewards/*": (Numbers, "one value a completion; null: the function does not apply"),
        "rewards/*/mean": (float, "mean of the values that apply"),
        "rewards/*/std": (float, "sample standard deviation (n - 1), as TRL gives it"),
        "rewards/*/min": (float, "least value"),
        "rewards/*/max": (float, "greatest value"),
        "rewards/*/n": (int, "how many values apply"),
        "rewards/*/frac_zero_std": (float, "share of the groups whose values are all the same"),
        "weights/*": (float, "weight of a function in the total, 1 where not given"),
    }


class Generation(EventBase):
    """One batch of rollouts."""

    generation: Annotated[
        int | None, _doc("which batch of rollouts, from 0 within the attempt")
    ] = None
    rows: Annotated[int | None, _doc("completions on this rank")] = None
    generate_s: Annotated[float | None, _unit("s", "time of generating")] = None

    families: ClassVar[Families] = {
        "reward_s/*": (float, "time of one reward function, in seconds")
    }


class System(EventBase):
    """Resources of the process, the machine and its GPUs."""

    process_memory_bytes: Annotated[
        int | None, _unit("bytes", "resident memory of the process")
    ] = None
    process_cpu_percent: Annotated[
        float | None, _unit("%", "CPU of the process, 100 is one core")
    ] = None
    cpu_percent: Annotated[float | None, _unit("%", "CPU of the machine, 100 is all of it")] = None
    memory_used_bytes: Annotated[int | None, _unit("bytes", "memory in use on the machine")] = None
    memory_total_bytes: Annotated[int | None, _unit("bytes", "memory of the machine")] = None
    disk_free_bytes: Annotated[int | None, _unit("bytes", "room where the logs are written")] = None
    disk_read_bytes: Annotated[int | None, _unit("bytes", "read by the process so far")] = None
    disk_written_bytes: Annotated[int | None, _unit("bytes", "written by the process so far")] = (
        None
    )
    network_sent_bytes: Annotated[int | None, _unit("bytes", "sent by the machine so far")] = None
    network_received_bytes: Annotated[
        int | None, _unit("bytes", "received by the machine so far")
    ] = None

    families: ClassVar[Families] = GPU_FAMILIES


class Checkpoint(EventBase):
    """A checkpoint was saved."""

    path: Annotated[str | None, _doc("where it was saved")] = None


class Message(EventBase):
    """Text for people: any log call whose first argument is not a type's name."""

    message: Annotated[str | None, _doc("the text")] = None


class ExceptionEvent(EventBase):
    """An exception that nobody caught, in any thread."""

    message: Annotated[str | None, _doc("where it came up")] = None
    thread: Annotated[str | None, _doc("name of the thread")] = None


class Pipeline(EventBase):
    """The pipeline's own report: a fault of a sink or processor, or the counts at the end."""

    status: Annotated[str | None, _doc("report, failed, recovered or limited")] = None
    message: Annotated[str | None, _doc("the text")] = None
    component: Annotated[str | None, _doc("name of the sink or processor")] = None
    reason: Annotated[str | None, _doc("what went wrong: exception type and text")] = None
    accepted: Annotated[int | None, _doc("events taken from the training code")] = None
    written: Annotated[int | None, _doc("events that left the chain")] = None
    dropped: Annotated[int | None, _doc("events lost to a full buffer")] = None

    families: ClassVar[Families] = {
        "sinks/*/accepted": (int, "events routed to the sink"),
        "sinks/*/written": (int, "events it took"),
        "sinks/*/dropped": (int, "events it did not get or take"),
        "sinks/*/dropped/*": (int, "the same by reason"),
        "sinks/*/failed": (int, "calls of it that raised"),
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
    "message": Message,
    "exception": ExceptionEvent,
    "pipeline": Pipeline,
}
"""The declared types by name."""
