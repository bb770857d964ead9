"""Records of captured requests, and their encoding as bytes. H: height, W: width, K: classes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import orjson

from core.repository.manifest import Precision
from service.engine.arrays import Floats, Pixels
from service.engine.observer import ModelAnswer, Route

TRAFFIC_NAME = "traffic"
"""Folder in the home."""
INDEX_SEPARATOR = "~"
"""Separates the request id from the index of an image; request ids cannot contain it."""

Origin = Literal["capture", "trial"]
"""Origin of a record: random capture, or a disagreement of a shadow trial, which is not a random sample of requests."""

_HEADER_LENGTH = struct.Struct("<I")
_FORMAT = 1


class RecordError(ValueError):
    """The bytes are not a record of this format."""


class Location(NamedTuple):
    """Place of a record on disk: name of the segment file, and offset of the frame in bytes."""

    segment: str
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Answer of one model to one image.

    Attributes:
        family, version, precision: the model.
        labels: class names, K.
        probabilities_K: float32, after temperature scaling, rounded to 6 digits.
        prediction_set: labels of the conformal prediction set, most probable first; at least one.
        energy: out-of-distribution score, -logsumexp(logits).
        flagged: True if the score exceeds the threshold of the model.
        tta: True if the logits are averages over several views.
        in_response: False if the model answered after capture, for comparison, and the client did not get the answer.
    """

    family: str
    version: int
    precision: Precision
    labels: tuple[str, ...]
    probabilities_K: Floats
    prediction_set: tuple[str, ...]
    energy: float
    flagged: bool
    tta: bool = False
    in_response: bool = True

    @property
    def reference(self) -> str:
        """Reference of the version, such as `cnn@4`."""
        return f"{self.family}@{self.version}"

    @property
    def label(self) -> str:
        """The predicted class."""
        return self.prediction_set[0]

    @property
    def confidence(self) -> float:
        """Probability of the predicted class, in [0, 1]."""
        return float(self.probabilities_K[self.labels.index(self.label)])

    @classmethod
    def of(cls, answer: ModelAnswer, row: int, *, in_response: bool = True) -> Answer:
        """The answer of a model for image `row` of a request."""
        served, outputs = answer.served, answer.outputs
        labels = served.labels
        return cls(
            family=served.family,
            version=served.version,
            precision=served.precision,
            labels=labels,
            probabilities_K=np.asarray(outputs.probabilities[row], np.float32),
            prediction_set=tuple(labels[k] for k in outputs.order[row][: outputs.set_sizes[row]]),
            energy=outputs.energies[row],
            flagged=outputs.energies[row] > answer.calibration.ood_threshold,
            tta=answer.tta,
            in_response=in_response,
        )


@dataclass(frozen=True, slots=True, eq=False)
class CapturedRequest:
    """One image of an answered request, with the answers of one or more models.

    Attributes:
        request_id: id of the request, also in its response; a client may send the same id several times.
        index: position of the image in the request.
        images: number of images in the request.
        time: time of the answer, UTC.
        route: the route that was called.
        inclusion_probability: probability with which this request was captured, in (0, 1].
        image: uint8 [H, W, 3], as the first model of `answers` saw it.
        answers: at least one; those of the response first.
        upload: the uploaded file; None unless DUET_CAPTURE_UPLOADS is set.
        origin: random capture or shadow trial.
        trial: id of the shadow trial; None for captured records.
        location: place on disk; None before the record is read from there.
    """

    request_id: str
    index: int
    images: int
    time: datetime
    route: Route
    inclusion_probability: float
    image: Pixels
    answers: tuple[Answer, ...]
    upload: bytes | None = None
    origin: Origin = "capture"
    trial: str | None = None
    location: Location | None = field(default=None)

    @property
    def id(self) -> str:
        """`<request id>`, or `<request id>~<index>` if the request has several images."""
        return record_id(self.request_id, self.index, self.images)

    def answer_of(self, family: str) -> Answer | None:
        """The first answer of a family, or None."""
        return next((answer for answer in self.answers if answer.family == family), None)

    def located(self, location: Location) -> CapturedRequest:
        """The same record with its place on disk."""
        return replace(self, location=location)


def record_id(request_id: str, index: int, images: int) -> str:
    """Id of the record of one image; see `CapturedRequest.id`."""
    return request_id if images == 1 else f"{request_id}{INDEX_SEPARATOR}{index}"


def request_id_of(record_id: str) -> str:
    """Request id of a record id."""
    return record_id.partition(INDEX_SEPARATOR)[0]


def encode(record: CapturedRequest) -> bytes:
    """Encode a record: length of the header (u32, little-endian), header as JSON, pixels, uploaded file."""
    header = {
        "format": _FORMAT,
        "request_id": record.request_id,
        "index": record.index,
        "images": record.images,
        "time": record.time.timestamp(),
        "route": record.route,
        "inclusion_probability": record.inclusion_probability,
        "shape": record.image.shape,
        "answers": [_answer_document(answer) for answer in record.answers],
        "upload_bytes": None if record.upload is None else len(record.upload),
        "origin": record.origin,
        "trial": record.trial,
    }
    content = orjson.dumps(header)
    pixels = np.ascontiguousarray(record.image).tobytes()
    return b"".join((_HEADER_LENGTH.pack(len(content)), content, pixels, record.upload or b""))


def decode(body: bytes) -> CapturedRequest:
    """Decode a record.

    Raises:
        RecordError: the bytes were not made by `encode`, or by a newer version of it.
    """
    try:
        [length] = _HEADER_LENGTH.unpack_from(body)
        header = orjson.loads(body[_HEADER_LENGTH.size : _HEADER_LENGTH.size + length])
        if header["format"] != _FORMAT:
            raise RecordError(f"the record has format {header['format']}, not {_FORMAT}: update this installation")
        if header["route"] not in get_args(Route) or header["origin"] not in get_args(Origin):
            raise RecordError("the record has an unknown route or origin: update this installation")
        start = _HEADER_LENGTH.size + length
        height, width, channels = header["shape"]
        size = height * width * channels
        image = np.frombuffer(body, np.uint8, size, start).reshape(height, width, channels)
        upload_bytes = header["upload_bytes"]
        upload = None if upload_bytes is None else body[start + size : start + size + upload_bytes]
        if len(body) != start + size + (upload_bytes or 0):
            raise RecordError("the record is longer than its parts")
        return CapturedRequest(
            request_id=header["request_id"],
            index=header["index"],
            images=header["images"],
            time=datetime.fromtimestamp(header["time"], UTC),
            route=header["route"],
            inclusion_probability=header["inclusion_probability"],
            image=image,
            answers=tuple(_answer(document) for document in header["answers"]),
            upload=upload,
            origin=header["origin"],
            trial=header["trial"],
        )
    except (struct.error, KeyError, TypeError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"not a captured request: {error}") from error


class RecordKey(NamedTuple):
    """The fields of a record that deletion needs: request id, and time of the answer in seconds since 1970."""

    request_id: str
    time: float


def decode_key(body: bytes) -> RecordKey:
    """Decode the request id and the time only.

    Raises:
        RecordError: the bytes are not a record.
    """
    try:
        [length] = _HEADER_LENGTH.unpack_from(body)
        header = orjson.loads(body[_HEADER_LENGTH.size : _HEADER_LENGTH.size + length])
        return RecordKey(header["request_id"], header["time"])
    except (struct.error, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"not a captured request: {error}") from error


def traffic_folder(home: Path) -> Path:
    """Folder of captured traffic, labels and alarms; it may not exist."""
    return home / TRAFFIC_NAME


def _answer_document(answer: Answer) -> dict[str, Any]:
    return {
        "family": answer.family,
        "version": answer.version,
        "precision": answer.precision,
        "labels": answer.labels,
        "probabilities": [round(value, 6) for value in answer.probabilities_K.tolist()],
        "prediction_set": answer.prediction_set,
        "energy": answer.energy,
        "flagged": answer.flagged,
        "tta": answer.tta,
        "in_response": answer.in_response,
    }


def _answer(document: dict[str, Any]) -> Answer:
    return Answer(
        family=document["family"],
        version=document["version"],
        precision=document["precision"],
        labels=tuple(document["labels"]),
        probabilities_K=np.asarray(document["probabilities"], np.float32),
        prediction_set=tuple(document["prediction_set"]),
        energy=document["energy"],
        flagged=document["flagged"],
        tta=document["tta"],
        in_response=document["in_response"],
    )
