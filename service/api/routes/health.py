"""GET /livez and /readyz: liveness and readiness probes."""

from __future__ import annotations

from fastapi import APIRouter

from core.schemas.api import Liveness, Readiness
from service.api.common.openapi_bodies import success
from service.api.deps import EngineDep, LifecycleDep
from service.api.examples import load_example
from service.errors import InternalServiceError, NotReadyError, responses

router = APIRouter(tags=["health"])


@router.get(
    "/livez",
    responses={**success(Liveness().model_dump(), "The process is alive"), **responses(InternalServiceError)},
)
async def livez() -> Liveness:
    """Respond 200 while the process runs."""
    return Liveness()


@router.get(
    "/readyz",
    responses={
        **success(load_example("ready"), "At least one champion is served; the state of each model"),
        **responses(InternalServiceError, NotReadyError),
    },
)
async def readyz(engine: EngineDep, lifecycle: LifecycleDep) -> Readiness:
    """Respond 200 once the champions are loaded and warm, and 503 before that and during shutdown.

    If a champion cannot be loaded, the state is `degraded` with the reason; the other models are still served.
    """
    if lifecycle.draining:
        raise NotReadyError("the service is shutting down")
    models = engine.models.readiness()
    degraded = any(model.reason for model in models)
    return Readiness(state="degraded" if degraded else "ready", models=models)
