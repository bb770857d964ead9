"""GET /metrics for Prometheus, and GET /metrics/compare for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from core.api import MetricsComparison
from service.api.bodies import success
from service.api.dependencies import CatalogueDep, MetricsDep
from service.api.examples import METRICS_COMPARE_EXAMPLE
from service.catalogue import Reference
from service.errors import (
    DifferentDataError,
    InternalServiceError,
    InvalidParametersError,
    NoEvaluationError,
    NotReadyError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
    responses,
)
from service.evaluations import compare_metrics

router = APIRouter(tags=["metrics"])
EXPOSITION_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EXPOSITION_EXAMPLE = """\
# HELP duet_images_total Images answered
# TYPE duet_images_total counter
duet_images_total{model="cnn",precision="fp32",version="3"} 1042.0
"""


class MetricsQuery(BaseModel):
    """Which two versions are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str = Field("mlp", max_length=64, description="a model such as `mlp` (its champion) or `mlp@1`")
    second: str = Field("cnn", max_length=64, description="as `first`")

    @field_validator("first", "second")
    @classmethod
    def _is_reference(cls, text: str) -> str:
        Reference.parse(text)
        return text


@router.get(
    "/metrics/compare",
    responses={
        **success(METRICS_COMPARE_EXAMPLE, "Both versions' test scores and their difference"),
        **responses(
            UnknownModelError,
            UnknownModelVersionError,
            DifferentDataError,
            NoEvaluationError,
            VersionRefusedError,
            InvalidParametersError,
            InternalServiceError,
            NotReadyError,
        ),
    },
)
def compare_evaluations(query: Annotated[MetricsQuery, Query()], catalogue: CatalogueDep) -> MetricsComparison:
    """Compare two versions on the test images: scores with 95 % intervals, confusion matrices, McNemar's test.

    The difference is that of the stored answers to each image, not of two separate accuracies.
    """
    return compare_metrics(catalogue, Reference.parse(query.first), Reference.parse(query.second))


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text exposition",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": EXPOSITION_EXAMPLE}},
        },
        **responses(InternalServiceError),
    },
)
async def metrics(metrics: MetricsDep) -> Response:
    """Counters and histograms of this process, for Prometheus."""
    return Response(metrics.render(), media_type=EXPOSITION_MEDIA_TYPE)
