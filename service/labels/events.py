"""Label events: a label, a skip or an undo for one captured image, as one line of JSON."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from core.repository.manifest import Precision
from service.traffic.record import Answer, CapturedRequest, Origin

Source: TypeAlias = Literal["feedback", "queue", "trial"]
"""Sent by a client; given by a person to a picture of the random queue; or to a disagreement of a shadow trial."""

Kind: TypeAlias = Literal["label", "skip", "undo"]
_LABEL_FIELDS = {"label", "probability", "capture_probability", "answers"}


class LabelledAnswer(BaseModel):
    """Answer of a model to the labelled image, kept so that estimates outlive the image."""

    model_config = ConfigDict(frozen=True)

    family: str
    version: int
    precision: Precision
    label: str
    confidence: float
    prediction_set: tuple[str, ...]
    flagged: bool
    in_response: bool

    @classmethod
    def of(cls, answer: Answer) -> LabelledAnswer:
        """The part of an answer that is stored with a label."""
        return cls(
            family=answer.family,
            version=answer.version,
            precision=answer.precision,
            label=answer.label,
            confidence=round(answer.confidence, 6),
            prediction_set=answer.prediction_set,
            flagged=answer.flagged,
            in_response=answer.in_response,
        )


class LabelEvent(BaseModel):
    """A line of a label file. Newer versions may add fields, which are ignored.

    Attributes:
        kind: a label; a skip, after which this person does not get the picture again; or an undo of the last event of
            the same person for the picture.
        id: id of the record, see `CapturedRequest.id`.
        recorded: time of the record, in seconds since 1970; with `id`, it identifies the record.
        origin, trial: of the record.
        label: true class; None for "none of these".
        source: how the image was chosen.
        by: who sent the event.
        time: of the event, in seconds since 1970.
        probability: probability with which the captured image was chosen for the queue; None for other sources.
        capture_probability: probability with which the request was captured.
        answers: answers of the models to the image.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Kind
    id: str
    recorded: float
    origin: Origin
    trial: str | None = None
    label: str | None = None
    source: Source
    by: str
    time: float
    probability: float | None = Field(None, gt=0, le=1)
    capture_probability: float = Field(1.0, gt=0, le=1)
    answers: tuple[LabelledAnswer, ...] = ()

    @property
    def key(self) -> str:
        """Key of the record."""
        return key_of(self.id, self.recorded, self.origin)

    def line(self) -> bytes:
        """The event as one line of JSON with its end."""
        return self.model_dump_json(exclude=None if self.kind == "label" else _LABEL_FIELDS).encode() + b"\n"


def key_of(record_id: str, recorded: float, origin: Origin) -> str:
    """Key of a record: 32 hexadecimal digits that look random and are the same in all processes.

    Clients may send the same request id again, so the id alone does not identify a record.
    """
    return sha256(f"{record_id}\n{recorded!r}\n{origin}".encode()).hexdigest()[:32]


def key_of_record(record: CapturedRequest) -> str:
    """Key of a record, see `key_of`."""
    return key_of(record.id, record.time.timestamp(), record.origin)
