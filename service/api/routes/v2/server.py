"""GET /v2 and /v2/health/...: what the server is, and whether it is there."""

from __future__ import annotations

from fastapi import APIRouter

from core.release import release
from service.api.common.openapi_bodies import success
from service.api.deps import EngineDep, LifecycleDep
from service.api.routes import health
from service.errors import InternalServiceError, NotReadyError
from service.openinference.contract import EXTENSIONS
from service.openinference.errors import ROOT, TAG, error_responses
from service.openinference.examples import LIVE_EXAMPLE, READY_EXAMPLE, SERVER_EXAMPLE
from service.openinference.messages import ServerLive, ServerMetadata, ServerReady

router = APIRouter(prefix=ROOT, tags=[TAG])
_METADATA = ServerMetadata(name="duet", version=release(), extensions=EXTENSIONS)


@router.get("/", include_in_schema=False)
@router.get(
    "",
    responses={**success(SERVER_EXAMPLE, "The server and its extensions"), **error_responses(InternalServiceError)},
)
async def v2_server() -> ServerMetadata:
    """Name the server and the extensions of the protocol that it speaks."""
    return _METADATA


@router.get(
    "/health/live",
    responses={**success(LIVE_EXAMPLE, "The process is alive"), **error_responses(InternalServiceError)},
)
async def v2_live() -> ServerLive:
    """Answer as long as the process can answer anything."""
    return ServerLive()


@router.get(
    "/health/ready",
    responses={
        **success(READY_EXAMPLE, "At least one model answers"),
        **error_responses(InternalServiceError, NotReadyError),
    },
)
async def v2_ready(engine: EngineDep, lifecycle: LifecycleDep) -> ServerReady:
    """Answer 200 as long as /readyz does, and 503 with the reason otherwise."""
    await health.readyz(engine, lifecycle)
    return ServerReady()
