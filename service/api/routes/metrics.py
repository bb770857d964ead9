"""GET /metrics, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from service.api.deps import MetricsDep
from service.errors import InternalServiceError, responses

router = APIRouter(tags=["metrics"])
EXPOSITION_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EXPOSITION_EXAMPLE = """\
# HELP duet_images_total Images answered
# TYPE duet_images_total counter
duet_images_total{model="cnn",precision="fp32",version="3"} 1042.0
"""


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
