"""The messages of a job: child to worker, worker to child, and what the worker adds to the job's event stream.

On pipes a message is one line of JSON, told apart by its field `event`.

    child -> worker   stage note fit_started progress epoch permit published result failed
    worker -> child   permission cancel; end of file says that the worker is gone
    stream alone      submitted claimed cancelling interrupted retried promoted not_promoted finished

`permit` is the one message of the child that is not stored: it asks, and the worker answers with `permission`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from core.errors import JobEventError, explain
from core.recipes import Config

MAX_LINE_BYTES = 1024 * 1024
Message = TypeVar("Message")


class Stage(Config):
    """A part of the job begins, such as fit or export."""

    event: Literal["stage"] = "stage"
    name: str


class Note(Config):
    """Something the user should know."""

    event: Literal["note"] = "note"
    text: str


class FitStarted(Config):
    """The fit begins at step `done` of `steps`; `detail` says on what, in a sentence."""

    event: Literal["fit_started"] = "fit_started"
    steps: int = Field(ge=0)
    done: int = Field(ge=0)
    detail: str


class Progress(Config):
    """How far the fit is; loss and accuracy (on [0, 1]) are running means of the epoch."""

    event: Literal["progress"] = "progress"
    epoch: int = Field(ge=0)
    epochs: int = Field(ge=0)
    step: int = Field(ge=0)
    steps: int = Field(ge=0)
    loss: float | None
    accuracy: float | None
    seconds_left: float | None


class Epoch(Config):
    """An epoch is done and its checkpoint is on disk: a line of history.jsonl, of `epochs` in all."""

    event: Literal["epoch"] = "epoch"
    epoch: int = Field(ge=1)
    epochs: int = Field(ge=1)
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float


class Permit(Config):
    """The child asks whether it may write a checkpoint, or publish; it waits for `Permission` of the same number."""

    event: Literal["permit"] = "permit"
    number: int = Field(ge=0)
    action: Literal["checkpoint", "publish"]


class Published(Config):
    """The run has become the version `reference`."""

    event: Literal["published"] = "published"
    reference: str
    test_accuracy: float


class Result(Config):
    """What the job came to; it is kept in the job's record."""

    event: Literal["result"] = "result"
    result: dict[str, JsonValue]


class Failed(Config):
    """The child gives up: the name of the error and its sentence."""

    event: Literal["failed"] = "failed"
    error: str
    message: str


class Permission(Config):
    """The answer to `Permit`; not granted, the child ends without writing."""

    event: Literal["permission"] = "permission"
    number: int = Field(ge=0)
    granted: bool


class Cancel(Config):
    """The child is to stop at its next step; the checkpoint of its last whole epoch stays."""

    event: Literal["cancel"] = "cancel"


class Submitted(Config):
    """The job was recorded."""

    event: Literal["submitted"] = "submitted"


class Claimed(Config):
    """A worker has the job; the stored event carries the attempt and the token."""

    event: Literal["claimed"] = "claimed"
    worker: str


class Cancelling(Config):
    """Cancellation was asked for while the job runs."""

    event: Literal["cancelling"] = "cancelling"


class Interrupted(Config):
    """The attempt ended without an end of the job; `resumes` says whether it is tried again."""

    event: Literal["interrupted"] = "interrupted"
    reason: str
    resumes: bool


class Retried(Config):
    """A user asked for a job that had failed or was cancelled to go on."""

    event: Literal["retried"] = "retried"


class Promoted(Config):
    """The version became champion, with the gate's report."""

    event: Literal["promoted"] = "promoted"
    report: dict[str, JsonValue]


class NotPromoted(Config):
    """The version did not become champion, with the gate's report."""

    event: Literal["not_promoted"] = "not_promoted"
    report: dict[str, JsonValue]


class Finished(Config):
    """The job has ended; no event follows unless it is retried."""

    event: Literal["finished"] = "finished"
    state: Literal["succeeded", "failed", "cancelled"]


ReportedEvent = Stage | Note | FitStarted | Progress | Epoch | Published | Result | Failed
AddedEvent = Submitted | Claimed | Cancelling | Interrupted | Retried | Promoted | NotPromoted | Finished
JobEvent = Annotated[ReportedEvent | AddedEvent, Field(discriminator="event")]
ChildMessage = Annotated[ReportedEvent | Permit, Field(discriminator="event")]
WorkerMessage = Annotated[Permission | Cancel, Field(discriminator="event")]

_JOB_EVENT: TypeAdapter[ReportedEvent | AddedEvent] = TypeAdapter(JobEvent)
_CHILD_MESSAGE: TypeAdapter[ReportedEvent | Permit] = TypeAdapter(ChildMessage)
_WORKER_MESSAGE: TypeAdapter[Permission | Cancel] = TypeAdapter(WorkerMessage)


def to_text(message: Config) -> str:
    """The message as JSON, on one line. Numbers that are not finite become null."""
    return message.model_dump_json()


def to_line(message: Config) -> bytes:
    """The message as it goes over a pipe: as `to_text`, and a newline."""
    return to_text(message).encode() + b"\n"


def read_child_message(line: bytes) -> ReportedEvent | Permit:
    """A line from a child, which may hold anything.

    Raises:
        JobEventError: it is not one of the child's messages.
    """
    return _read(_CHILD_MESSAGE, line)


def read_worker_message(line: bytes) -> Permission | Cancel:
    """A line from the worker.

    Raises:
        JobEventError: it is not one of the worker's messages.
    """
    return _read(_WORKER_MESSAGE, line)


def read_job_event(text: str) -> ReportedEvent | AddedEvent:
    """An event as it is stored.

    Raises:
        JobEventError: it is not an event of a job.
    """
    return _read(_JOB_EVENT, text.encode())


def _read(adapter: TypeAdapter[Message], line: bytes) -> Message:
    if len(line) > MAX_LINE_BYTES:
        raise JobEventError(f"a message of {len(line):,} bytes is longer than the {MAX_LINE_BYTES:,} allowed")
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        raise JobEventError(f"not a message of a job ({explain(error, at_most=1)}): {line[:80]!r}") from error
