"""Job messages: child to worker, worker to child, and events that the worker adds to the job's stream.

On a pipe, a message is one line of JSON; its field `event` has the type.

    child -> worker   stage note fit_started progress epoch permit published result failed
    worker -> child   permission cancel; end of file means that the worker died
    stream only       submitted claimed cancelling interrupted retried promoted not_promoted finished

`permit` is a request, which the worker answers with `permission`. It is the only child message that is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from core.errors import JobEventError, explain
from core.strict_model import StrictModel

MAX_LINE_BYTES = 1024 * 1024
Message = TypeVar("Message")


class Stage(StrictModel):
    """A stage of the job starts, such as fit or export."""

    event: Literal["stage"] = "stage"
    name: str


class Note(StrictModel):
    """Information for the user."""

    event: Literal["note"] = "note"
    text: str


class FitStarted(StrictModel):
    """The fit starts at step `done` of `steps`; `detail` describes data and machine."""

    event: Literal["fit_started"] = "fit_started"
    steps: int = Field(ge=0)
    done: int = Field(ge=0)
    detail: str


class Progress(StrictModel):
    """Progress of the fit; loss and accuracy (on [0, 1]) are running means of the epoch.

    The steps of a download are bytes, and of a batch prediction files; they have no epochs.
    """

    event: Literal["progress"] = "progress"
    epoch: int = Field(ge=0)
    epochs: int = Field(ge=0)
    step: int = Field(ge=0)
    steps: int = Field(ge=0)
    loss: float | None
    accuracy: float | None
    seconds_left: float | None


class Epoch(StrictModel):
    """An epoch ended and its checkpoint is on disk: one of the `epochs` lines of history.jsonl."""

    event: Literal["epoch"] = "epoch"
    epoch: int = Field(ge=1)
    epochs: int = Field(ge=1)
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    plain_accuracy: float | None = None
    """Accuracy on unchanged training images."""


class Permit(StrictModel):
    """The child asks to write a checkpoint or to publish, and waits for the `Permission` with the same number."""

    event: Literal["permit"] = "permit"
    number: int = Field(ge=0)
    action: Literal["checkpoint", "publish"]


class Published(StrictModel):
    """The run was published as the version `reference`."""

    event: Literal["published"] = "published"
    reference: str
    test_accuracy: float


class Result(StrictModel):
    """The result of the job, for its record."""

    event: Literal["result"] = "result"
    result: dict[str, JsonValue]


class Failed(StrictModel):
    """The child failed: name of the error, and its message."""

    event: Literal["failed"] = "failed"
    error: str
    message: str


class Permission(StrictModel):
    """Answer to `Permit`; if it is not granted, the child ends without writing."""

    event: Literal["permission"] = "permission"
    number: int = Field(ge=0)
    granted: bool


class Cancel(StrictModel):
    """The child must stop at its next step; the checkpoint of its last epoch stays."""

    event: Literal["cancel"] = "cancel"


class Submitted(StrictModel):
    """The job was recorded."""

    event: Literal["submitted"] = "submitted"


class Claimed(StrictModel):
    """A worker claimed the job; the stored event has the attempt and the token."""

    event: Literal["claimed"] = "claimed"
    worker: str


class Cancelling(StrictModel):
    """Cancellation was requested for a running job."""

    event: Literal["cancelling"] = "cancelling"


class Interrupted(StrictModel):
    """The attempt ended but not the job; if `resumes` is true, it will be tried again."""

    event: Literal["interrupted"] = "interrupted"
    reason: str
    resumes: bool


class Retried(StrictModel):
    """A user retried a failed or cancelled job."""

    event: Literal["retried"] = "retried"


class Promoted(StrictModel):
    """The version became champion, with the gate's report."""

    event: Literal["promoted"] = "promoted"
    report: dict[str, JsonValue]


class NotPromoted(StrictModel):
    """The version did not become champion, with the gate's report."""

    event: Literal["not_promoted"] = "not_promoted"
    report: dict[str, JsonValue]


class Finished(StrictModel):
    """The job finished; no event follows unless it is retried."""

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


def to_text(message: StrictModel) -> str:
    """The message as JSON, on one line. Numbers that are not finite become null."""
    return message.model_dump_json()


def to_line(message: StrictModel) -> bytes:
    """The message as a line for a pipe: `to_text` and a newline."""
    return to_text(message).encode() + b"\n"


def read_child_message(line: bytes) -> ReportedEvent | Permit:
    """Parse a line from a child, which is not trusted.

    Raises:
        JobEventError: it is not a child message.
    """
    return _read(_CHILD_MESSAGE, line)


def read_worker_message(line: bytes) -> Permission | Cancel:
    """Parse a line from the worker.

    Raises:
        JobEventError: it is not a worker message.
    """
    return _read(_WORKER_MESSAGE, line)


def read_job_event(text: str) -> ReportedEvent | AddedEvent:
    """Parse a stored event.

    Raises:
        JobEventError: it is not a job event.
    """
    return _read(_JOB_EVENT, text.encode())


def _read(adapter: TypeAdapter[Message], line: bytes) -> Message:
    if len(line) > MAX_LINE_BYTES:
        raise JobEventError(f"a message has {len(line):,} bytes, the limit is {MAX_LINE_BYTES:,}")
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        raise JobEventError(f"not a job message ({explain(error, at_most=1)}): {line[:80]!r}") from error


FIRST = "0"
"""Position before the first event."""


@dataclass(frozen=True)
class StoredEvent:
    """An event in the stream.

    Attributes:
        id: `<ms>-<n>`, ascending; the value of `Last-Event-ID`.
        at: time of storage, UTC, from the broker's clock.
        attempt: number of claims at that time.
        token: of the newest claim at that time, None before the first.
        event: the event.
    """

    id: str
    at: datetime
    attempt: int
    token: int | None
    event: ReportedEvent | AddedEvent
