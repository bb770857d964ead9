"""GET /jobs/{job_id}/log: what the job's process printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.errors import UnknownJobError
from service.api.deps import JobServiceDep
from service.api.examples.jobs import LOG_EXAMPLE
from service.api.routes.jobs import BROKER_ERRORS, JobId
from service.errors import InvalidParametersError, responses
from service.jobs.log import log_path, read_between, size_of, start_of_last_lines

router = APIRouter(prefix="/jobs", tags=["jobs"])
NEXT_OFFSET = "X-Duet-Next-Offset"


class LogQuery(BaseModel):
    """Which part; all of it by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: int = Field(
        0, ge=0, lt=2**63, description=f"first byte; `{NEXT_OFFSET}` of an answer gives what came since"
    )
    tail: int | None = Field(None, ge=1, le=100_000, description="at most this many of the last lines")


@router.get(
    "/{job_id}/log",
    response_class=Response,
    responses={
        200: {
            "description": "The log as far as it is written, of all attempts; nothing before the first",
            "headers": {
                NEXT_OFFSET: {
                    "description": "`offset` of what will be written next",
                    "schema": {"type": "integer"},
                    "example": len(LOG_EXAMPLE),
                }
            },
            "content": {"text/plain": {"schema": {"type": "string"}, "example": LOG_EXAMPLE}},
        },
        **responses(UnknownJobError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def job_log(
    request: Request, job_id: JobId, query: Annotated[LogQuery, Query()], job_service: JobServiceDep
) -> Response:
    """Read what the job's process printed, whole, its last lines, or what came after an earlier look."""
    home = request.state.settings.home

    def look() -> tuple[Path, int, int]:
        path = log_path(home, job_service.store.get(job_id).id)  # never of an id that no job has
        end = size_of(path)
        start = start_of_last_lines(path, query.tail) if query.tail is not None else 0
        return path, min(end, max(start, query.offset)), end

    path, start, end = await job_service.call(look, request.state.context.deadline)
    # No more than was there when its length was said: the job goes on writing.
    return StreamingResponse(
        read_between(path, start, end),
        media_type="text/plain; charset=utf-8",
        headers={NEXT_OFFSET: str(end), "Cache-Control": "no-store"},
    )
