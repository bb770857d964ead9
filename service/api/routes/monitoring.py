"""GET /livez, /readyz and /metrics: probes, and metrics for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from starlette.responses import Response

from core.schemas.api import Liveness, Readiness
from service.api.common.openapi import content, success
from service.api.deps import StateDep
from service.api.examples import load_example
from service.errors import InvalidParametersError, NotReadyError, responses
from service.state import RequestState

router = APIRouter()
Verbose = Annotated[
    bool,
    BeforeValidator(lambda value: True if value == "" else value),
    Query(description="add the precision and the execution providers of each model; without a value it counts as true"),
]
EXPOSITION_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EXPOSITION_EXAMPLE = """\
# HELP duet_images_total Classified images
# TYPE duet_images_total counter
duet_images_total{model="cnn",precision="fp32",version="3"} 1042.0
"""


@router.get(
    "/livez",
    tags=["health"],
    responses={**success(Liveness().model_dump(), "The process is alive"), **responses()},
)
async def livez() -> Liveness:
    """Respond 200 while the process runs."""
    return Liveness()


@router.get(
    "/readyz",
    tags=["health"],
    responses={
        **success(load_example("ready"), "At least one champion is served; the state of each model"),
        **responses(NotReadyError, InvalidParametersError),
    },
)
async def readyz(state: StateDep, verbose: Verbose = False) -> Readiness:
    """Respond 200 once the champions are loaded and warm, and 503 before that and during shutdown.

    If a champion cannot be loaded, the state is `degraded` with the reason; the other models are still served. With
    `verbose`, each model has the precision and the execution providers of its served version.
    """
    readiness = read_readiness(state)
    if not verbose:
        return readiness
    models = state["engine"].models
    return readiness.model_copy(update={"models": tuple(models.with_providers(each) for each in readiness.models)})


def read_readiness(state: RequestState) -> Readiness:
    """Return the state of the service and of each model.

    Raises:
        NotReadyError: no champion is served yet, or the service is shutting down.
    """
    if state["lifecycle"].draining:
        raise NotReadyError("the service is shutting down")
    models = state["engine"].models.readiness()
    degraded = any(model.reason for model in models)
    capture = state["capture"]
    return Readiness(
        state="degraded" if degraded else "ready",
        models=models,
        capture=None if capture is None else capture.status(),
    )


@router.get(
    "/metrics",
    tags=["metrics"],
    response_class=Response,
    responses={
        **content(
            "Prometheus text exposition",
            {"text/plain": {"schema": {"type": "string"}, "example": EXPOSITION_EXAMPLE}},
        ),
        **responses(),
    },
)
async def metrics(state: StateDep) -> Response:
    """Export the metrics in the Prometheus text format."""
    if state["jobs"] is not None:
        state["metrics"].jobs.show(await state["jobs"].figures.read())
    return Response(state["metrics"].render(), media_type=EXPOSITION_MEDIA_TYPE)
