"""What the service answers, as data: the service renders these models, the client parses them.

Every probability and proportion is on [0, 1], every interval is a 95 % interval, every time is in milliseconds.
A client ignores fields it does not know, so that an older client can talk to a newer service.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from core.repository.manifest import Precision


class ResponseModel(BaseModel):
    """Base of all response schemas: frozen; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)


class ClassProbability(ResponseModel):
    """One class and how probable the model holds it to be."""

    label: str
    probability: float


class OutOfDistribution(ResponseModel):
    """Whether the image looks like nothing the model was trained on: the energy of its logits against a threshold."""

    score: float = Field(description="energy, -logsumexp(logits); higher is stranger")
    threshold: float
    flag: bool = Field(description="true where the score is above the threshold")


class Prediction(ResponseModel):
    """One model's answer to one image."""

    filename: str | None = Field(description="as the client named the file; null for a raw body")
    model: str
    version: int
    precision: Precision
    label: str = Field(description="the most probable class")
    probability: float
    top: tuple[ClassProbability, ...] = Field(description="the most probable classes, best first")
    prediction_set: tuple[str, ...] = Field(description="classes of which one is right with probability `coverage`")
    coverage: float
    out_of_distribution: OutOfDistribution
    notes: tuple[str, ...] = Field(description="what was done to the image before the model saw it")


class Timing(ResponseModel):
    """Where the time of one request went, in milliseconds."""

    decode: float
    queue: float
    inference: float
    total: float = Field(description="from the request's head to its answer, the upload included")


class PredictResponse(ResponseModel):
    """Answer of POST /predict: one prediction per file, in the order they were sent."""

    predictions: tuple[Prediction, ...]
    timing_ms: Timing
    request_id: str


class Completeness(ResponseModel):
    """How far integrated gradients are from summing to what they should, in units of the logit."""

    attributed: float = Field(description="the sum of the map")
    expected: float = Field(description="the target's logit for the image less that for the baseline")
    gap: float = Field(description="their absolute difference")
    relative_gap: float | None = Field(description="the gap over |expected|; null where that is 0")


class SaliencyTarget(ResponseModel):
    """The class whose logit is explained."""

    label: str
    index: int
    logit: float
    probability: float


class SaliencyMap(ResponseModel):
    """What one method says of each pixel of the image as the model saw it."""

    method: str
    parameters: dict[str, int | float | str] = Field(description="those that the method takes")
    signed: bool = Field(description="true where values below 0 speak against the target")
    minimum: float
    maximum: float
    flat: bool = Field(description="true where the map is the same everywhere, and says nothing")
    completeness: Completeness | None = Field(description="of integrated gradients; null of every other method")
    values: tuple[tuple[float, ...], ...] = Field(description="[H][W], not scaled")

    def array(self) -> npt.NDArray[np.float32]:
        """The values as float32 [H, W]."""
        return np.array(self.values, np.float32)


class ModelExplanation(ResponseModel):
    """What several methods say of one model's answer, in POST /compare."""

    model: str
    version: int
    predicted: str = Field(description="the most probable class")
    target: SaliencyTarget
    maps: tuple[SaliencyMap, ...] = Field(description="one per method, in the order they were asked for")
    picture: str = Field(description="of the image and its maps: a PNG file as a `data:` address")

    def png(self) -> bytes:
        """The picture as a file."""
        return b64decode(self.picture.partition(",")[2])


class CompareResponse(ResponseModel):
    """Answer of POST /compare: what each model says of the same image, and how far apart they are."""

    predictions: tuple[Prediction, ...] = Field(description="one per model, in the order they were asked for")
    agree: bool = Field(description="true where every model names the same class")
    divergence: float = Field(
        description="Jensen-Shannon divergence of the probabilities in bits: 0 where they are identical"
    )
    saliency: tuple[ModelExplanation, ...] | None = Field(
        None, description="one per model, in the order they were asked for; left out where it was not"
    )
    timing_ms: Timing
    request_id: str


class SaliencyTiming(ResponseModel):
    """Where the time of an explanation went, in milliseconds."""

    queue: float = Field(description="waiting for predictions, which go first")
    inference: float
    total: float = Field(description="from the request's head to its answer, the upload included")


class SaliencyResponse(ResponseModel):
    """Answer of POST /saliency as JSON: one map per method, in the order they were asked for."""

    filename: str | None = Field(description="as the client named the file; null for a raw body")
    model: str
    version: int
    predicted: str = Field(description="the most probable class")
    target: SaliencyTarget
    maps: tuple[SaliencyMap, ...]
    notes: tuple[str, ...] = Field(description="what was done to the image before the model saw it")
    timing_ms: SaliencyTiming
    request_id: str


class FittingMethod(ResponseModel):
    """A method that can explain a version's answers."""

    method: str
    signed: bool = Field(description="true where values below 0 speak against the target")
    parameters: tuple[str, ...] = Field(description="those that the method takes")


class FittingMethods(ResponseModel):
    """Answer of GET /saliency."""

    model: str
    version: int
    methods: tuple[FittingMethod, ...] = Field(description="none where the version was published without gradient.onnx")


class SampleCount(ResponseModel):
    """Answer of GET /samples."""

    count: int = Field(description="test images at hand; 0 where there are none")


class ModelReadiness(ResponseModel):
    """What one family serves, or why it serves nothing, or not what it should."""

    model: str
    champion: int | None = Field(description="the version that the aliases name")
    served: int | None = Field(description="the version that answers now")
    reason: str | None = Field(description="why these two differ; null where they agree")


class Readiness(ResponseModel):
    """Answer of GET /readyz; `degraded` where a champion could not be loaded but another one is served."""

    state: Literal["ready", "degraded"]
    models: tuple[ModelReadiness, ...]


class Liveness(ResponseModel):
    """Answer of GET /livez."""

    status: Literal["alive"] = "alive"


class SessionAnswer(ResponseModel):
    """Answer of /session: what the one who asks may do, by key or cookie."""

    scopes: tuple[Literal["jobs", "admin"], ...] = Field(description="none without a key or a session")
    expires_at: datetime | None = Field(description="when the session ends; null of a key, and without a session")


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 has it; some kinds add fields of their own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(description="names the kind of problem, for programs")
    title: str = Field(description="names the kind of problem, for people")
    status: int
    detail: str = Field(description="what is wrong with this request and what to do about it")
    request_id: str
