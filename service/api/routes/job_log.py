"""GET /jobs/{job_id}/log: output of the process of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.errors import UnknownJobError
from service.api.deps import JobServiceDep
from service.api.routes.jobs import BROKER_ERRORS, JobId
from service.errors import InvalidParametersError, responses
from service.jobs.log import log_path, read_between, size_of, start_of_last_lines
from service.state import state_of

router = APIRouter(prefix="/jobs", tags=["jobs"])
NEXT_OFFSET = "X-Duet-Next-Offset"
_EXAMPLE = "epoch 1/3: train loss 1.2841, validation accuracy 0.6422\n"


class LogQuery(BaseModel):
    """Part of the log; default: all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: int = Field(
        0, ge=0, lt=2**63, description=f"first byte; pass `{NEXT_OFFSET}` of the last response to continue"
    )
    tail: int | None = Field(None, ge=1, le=100_000, description="maximum number of lines from the end")


@router.get(
    "/{job_id}/log",
    response_class=Response,
    responses={
        200: {
            "description": "The log of all attempts so far; empty before the first",
            "headers": {
                NEXT_OFFSET: {
                    "description": "`offset` for the next request",
                    "schema": {"type": "integer"},
                    "example": len(_EXAMPLE),
                }
            },
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        **responses(UnknownJobError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def job_log(
    request: Request, job_id: JobId, query: Annotated[LogQuery, Query()], job_service: JobServiceDep
) -> Response:
    """Read the log of a job: all of it, the last lines, or the part after an offset."""
    home = state_of(request)["settings"].home

    def find_range() -> tuple[Path, int, int]:
        path = log_path(home, job_service.store.get(job_id).id)  # raises for unknown ids
        end = size_of(path)
        start = start_of_last_lines(path, query.tail) if query.tail is not None else 0
        return path, min(end, max(start, query.offset)), end

    path, start, end = await job_service.call(find_range, state_of(request)["context"].deadline)
    # Limited to the size at the time of the header: the job continues to write.
    return StreamingResponse(
        read_between(path, start, end),
        media_type="text/plain; charset=utf-8",
        headers={NEXT_OFFSET: str(end), "Cache-Control": "no-store"},
    )
