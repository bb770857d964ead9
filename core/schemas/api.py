"""API response schemas: the service renders these models, the client parses them.

Probabilities and proportions are on [0, 1], intervals are 95 % intervals, times are in milliseconds. Clients ignore
unknown fields, so an older client works with a newer service.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from core.repository.graph_records import ProviderName
from core.repository.manifest import Precision


class ResponseModel(BaseModel):
    """Base of all response schemas: frozen; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)


class ClassProbability(ResponseModel):
    """One class and its probability."""

    label: str
    probability: float


class OutOfDistribution(ResponseModel):
    """Out-of-distribution detection: the energy of the logits, compared with a threshold."""

    score: float = Field(description="energy, -logsumexp(logits); higher is less like the training images")
    threshold: float
    flag: bool = Field(description="true if the score is above the threshold")


class Prediction(ResponseModel):
    """Prediction of one model for one image."""

    filename: str | None = Field(description="file name from the client; null for a raw body")
    model: str
    version: int
    precision: Precision
    label: str = Field(description="the most probable class")
    probability: float
    top: tuple[ClassProbability, ...] = Field(description="the most probable classes, best first")
    prediction_set: tuple[str, ...] = Field(
        description="classes that contain the true class with probability `coverage`"
    )
    coverage: float
    out_of_distribution: OutOfDistribution
    notes: tuple[str, ...] = Field(description="changes made to the image before inference")


class Timing(ResponseModel):
    """Time of one request by step, in milliseconds."""

    decode: float
    queue: float
    inference: float
    total: float = Field(description="from the request header to the response, upload included")


class PredictResponse(ResponseModel):
    """Response of POST /predict: one prediction per file, in the order of the request."""

    predictions: tuple[Prediction, ...]
    timing_ms: Timing
    request_id: str


class Completeness(ResponseModel):
    """Completeness check of integrated gradients, in units of the logit."""

    attributed: float = Field(description="the sum of the map")
    expected: float = Field(description="logit of the target for the image minus that for the baseline")
    gap: float = Field(description="their absolute difference")
    relative_gap: float | None = Field(description="gap divided by |expected|; null if that is 0")


class SaliencyTarget(ResponseModel):
    """The class whose logit is explained."""

    label: str
    index: int
    logit: float
    probability: float


class SaliencyMap(ResponseModel):
    """Saliency map of one method for the model input."""

    method: str
    parameters: dict[str, int | float | str] = Field(description="parameters of the method")
    signed: bool = Field(description="true if values below 0 are evidence against the target")
    minimum: float
    maximum: float
    flat: bool = Field(description="true if all values of the map are equal")
    completeness: Completeness | None = Field(description="null for all methods except integrated gradients")
    kept_share: float | None = Field(
        None,
        description="SmoothGrad: share of the noisy copies that the model assigns to `predicted`; if it is low, "
        "the map mostly explains other predictions; null for all other methods",
    )
    values: tuple[tuple[float, ...], ...] = Field(description="[H][W], unscaled")

    def array(self) -> npt.NDArray[np.float32]:
        """The values as float32 [H, W]."""
        return np.array(self.values, np.float32)


class ModelExplanation(ResponseModel):
    """Saliency maps of several methods for one model, in POST /compare."""

    model: str
    version: int
    predicted: str = Field(description="the most probable class")
    target: SaliencyTarget
    maps: tuple[SaliencyMap, ...] = Field(description="one per method, in the order of the request")
    picture: str = Field(description="image and maps as a PNG file in a `data:` URL")

    def png(self) -> bytes:
        """The bytes of the PNG file."""
        return b64decode(self.picture.partition(",")[2])


class CompareResponse(ResponseModel):
    """Response of POST /compare: predictions of several models for the same image."""

    predictions: tuple[Prediction, ...] = Field(description="one per model, in the order of the request")
    agree: bool = Field(description="true if all models predict the same class")
    divergence: float = Field(
        description="Jensen-Shannon divergence of the probabilities in bits; 0 if they are identical"
    )
    saliency: tuple[ModelExplanation, ...] | None = Field(
        None, description="one per model, in the order of the request; omitted if not requested"
    )
    timing_ms: Timing
    request_id: str


class SaliencyTiming(ResponseModel):
    """Time of an explanation by step, in milliseconds."""

    queue: float = Field(description="waiting for predictions, which have priority")
    inference: float
    total: float = Field(description="from the request header to the response, upload included")


class SaliencyResponse(ResponseModel):
    """Response of POST /saliency as JSON: one map per method, in the order of the request."""

    filename: str | None = Field(description="file name from the client; null for a raw body")
    model: str
    version: int
    predicted: str = Field(description="the most probable class")
    target: SaliencyTarget
    maps: tuple[SaliencyMap, ...]
    notes: tuple[str, ...] = Field(description="changes made to the image before inference")
    timing_ms: SaliencyTiming
    request_id: str


class FittingMethod(ResponseModel):
    """An explanation method that a version supports."""

    method: str
    signed: bool = Field(description="true if values below 0 are evidence against the target")
    parameters: tuple[str, ...] = Field(description="parameters of the method")


class FittingMethods(ResponseModel):
    """Response of GET /saliency."""

    model: str
    version: int
    methods: tuple[FittingMethod, ...] = Field(description="empty if the version has no gradient.onnx")


class SampleCount(ResponseModel):
    """Response of GET /samples."""

    count: int = Field(description="number of available test images")
    examples: tuple[str, ...] = Field(description="labels of the images that ship, which come first")


class ProviderStatus(ResponseModel):
    """An execution provider in one precision, as measured for one version on this machine.

    All providers except `cpu` are compared with it on 64 images before they serve.
    """

    provider: ProviderName
    precision: Precision
    state: Literal["loaded", "standby", "refused"] = Field(
        description="loaded: serves requests in this precision; standby: passed the check; refused: failed it"
    )
    images_per_second: float | None = Field(description="measured on one large batch at load; null: not measured")
    equal_classes: float | None = Field(description="share of the images with the same class as on `cpu`; null for cpu")
    max_difference: float | None = Field(description="largest difference of a probability from `cpu`; null for cpu")
    reason: str | None = Field(description="reason for the refusal; null otherwise")


class ModelReadiness(ResponseModel):
    """Champion and served version of one family."""

    model: str
    champion: int | None = Field(description="version that the alias file names")
    served: int | None = Field(description="version that is served now")
    reason: str | None = Field(description="why the two differ; null if they are equal")
    precision: Precision | None = Field(
        None, description="with `verbose`: precision of requests that name none; null if no version is loaded"
    )
    providers: tuple[ProviderStatus, ...] = Field(
        (), description="with `verbose`: execution providers of the served version; empty otherwise"
    )


class CaptureStatus(ResponseModel):
    """Capture of traffic: its settings and state."""

    share: float = Field(description="probability with which an answered request is stored")
    max_mib: int = Field(description="limit of the stored requests on disk, in MiB")
    max_days: float = Field(description="maximum age of a stored request")
    uploads: bool = Field(description="true if uploaded files are stored too")
    reason: str | None = Field(description="why no request is stored at the moment; null if they are")


class Readiness(ResponseModel):
    """Response of GET /readyz; `degraded` if a champion cannot be loaded and another version is served."""

    state: Literal["ready", "degraded"]
    models: tuple[ModelReadiness, ...]
    capture: CaptureStatus | None = Field(None, description="capture of traffic by this process; null if it is off")


class Liveness(ResponseModel):
    """Response of GET /livez."""

    status: Literal["alive"] = "alive"


class SessionAnswer(ResponseModel):
    """Response of /session: scopes of the API key or session cookie."""

    scopes: tuple[Literal["predict", "feedback", "jobs", "admin"], ...] = Field(
        description="empty without a key or session"
    )
    expires_at: datetime | None = Field(description="end of the session; null for a key, and without a session")


class ProblemDetails(BaseModel):
    """Problem details for an error (RFC 9457); some types have additional fields."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(description="problem type, for programs")
    title: str = Field(description="problem type, for people")
    status: int
    detail: str = Field(description="what happened with this request and what to do")
    request_id: str
