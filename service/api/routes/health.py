"""GET /livez and /readyz: is the process alive, and may it be sent requests?"""

from __future__ import annotations

from fastapi import APIRouter

from core.schemas.api import Liveness, Readiness
from service.api.common.openapi_bodies import success
from service.api.deps import EngineDep, LifecycleDep
from service.api.examples.models import READY_EXAMPLE
from service.errors import InternalServiceError, NotReadyError, responses

router = APIRouter(tags=["health"])


@router.get(
    "/livez",
    responses={**success(Liveness().model_dump(), "The process is alive"), **responses(InternalServiceError)},
)
async def livez() -> Liveness:
    """Answer as long as the process can answer anything."""
    return Liveness()


@router.get(
    "/readyz",
    responses={
        **success(READY_EXAMPLE, "At least one champion answers; each model says whether its own does"),
        **responses(InternalServiceError, NotReadyError),
    },
)
async def readyz(engine: EngineDep, lifecycle: LifecycleDep) -> Readiness:
    """Answer 200 once the champions are loaded and warm, and 503 before that and while shutting down.

    A champion that was refused makes the state `degraded`, with its reason; the other models go on being served.
    """
    if lifecycle.draining:
        raise NotReadyError("the service is shutting down")
    models = engine.models.readiness()
    degraded = any(model.reason for model in models)
    return Readiness(state="degraded" if degraded else "ready", models=models)
