"""/jobs: what was asked for and how far it is, and how to stop it or try it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from core.errors import BrokerUnavailableError, DuetError, JobFinishedError, JobNotRetryableError, UnknownJobError
from core.jobs.parameters import JobKind
from core.jobs.records import JobState
from core.schemas.jobs import JobAnswer, JobList
from service.api.common.openapi_bodies import success
from service.api.deps import JobServiceDep
from service.api.examples.jobs import CANCELLING_EXAMPLE, JOB_EXAMPLE, JOBS_EXAMPLE, QUEUED_EXAMPLE
from service.api.responses.jobs import job_answer, job_list, job_path
from service.errors import (
    DeadlineExceededError,
    InternalServiceError,
    InvalidParametersError,
    JobsNotConfiguredError,
    TrainingNotReadyError,
    responses,
)
from service.jobs.store.keys import JOB_ID_PATTERN
from service.security.dependencies import CALLER_ERRORS, JobsCaller

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[str, Path(max_length=64, description="as POST /train answered it")]
BROKER_ERRORS: tuple[type[DuetError], ...] = (
    InternalServiceError,
    JobsNotConfiguredError,
    BrokerUnavailableError,
    DeadlineExceededError,
)
"""What every route about jobs can answer besides its own errors."""


class JobsQuery(BaseModel):
    """Which jobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: JobKind | None = Field(None, description="train or evaluate; both by default")
    state: JobState | None = Field(None, description="any by default")
    limit: int = Field(50, ge=1, le=200, description="jobs on a page")
    cursor: str | None = Field(None, pattern=JOB_ID_PATTERN, description="the `next_cursor` of the page before")


@router.get(
    "",
    responses={
        **success(JOBS_EXAMPLE, "A page of jobs, newest first"),
        **responses(InvalidParametersError, *BROKER_ERRORS),
    },
)
async def list_jobs(request: Request, query: Annotated[JobsQuery, Query()], job_service: JobServiceDep) -> JobList:
    """List jobs, newest first; those that ended long ago are removed in time."""
    page = await job_service.call(
        lambda: job_service.store.list(kind=query.kind, state=query.state, limit=query.limit, cursor=query.cursor),
        request.state.context.deadline,
    )
    return job_list(page)


@router.get(
    "/{job_id}",
    responses={
        **success(JOB_EXAMPLE, "The job, with its progress or how it ended"),
        **responses(UnknownJobError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def get_job(request: Request, job_id: JobId, job_service: JobServiceDep) -> JobAnswer:
    """Describe one job: what it is to do, how far it is, what it came to or why it failed."""
    return job_answer(await job_service.call(lambda: job_service.store.get(job_id), request.state.context.deadline))


@router.post(
    "/{job_id}/cancel",
    responses={
        **success(CANCELLING_EXAMPLE, "The job is cancelled, or is being cancelled where it runs already"),
        **responses(*CALLER_ERRORS, UnknownJobError, JobFinishedError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def cancel_job(request: Request, caller: JobsCaller, job_id: JobId, job_service: JobServiceDep) -> JobAnswer:
    """Cancel a job: at once where it waits, within seconds where it runs, which keeps its last checkpoint.

    Asking again does no harm.
    """
    return job_answer(
        await job_service.call(lambda: job_service.store.request_cancel(job_id), request.state.context.deadline)
    )


_RETRIED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The job waits for a worker again",
        "headers": {"Location": {"schema": {"type": "string"}, "example": QUEUED_EXAMPLE["links"]["job"]}},
        "content": {"application/json": {"example": QUEUED_EXAMPLE}},
    }
}


@router.post(
    "/{job_id}/retry",
    status_code=202,
    responses={
        **_RETRIED,
        **responses(
            *CALLER_ERRORS,
            UnknownJobError,
            JobNotRetryableError,
            InvalidParametersError,
            TrainingNotReadyError,
            *BROKER_ERRORS,
        ),
    },
)
async def retry_job(
    request: Request, response: Response, caller: JobsCaller, job_id: JobId, job_service: JobServiceDep
) -> JobAnswer:
    """Try a job again that failed or was cancelled: it goes on from its last checkpoint."""
    record = await job_service.call(lambda: job_service.retry(job_id), request.state.context.deadline)
    response.headers["Location"] = job_path(job_id)
    return job_answer(record)
