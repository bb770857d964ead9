"""/jobs: list, progress, cancellation and retry of jobs."""

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
from service.api.examples import load_example
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
from service.state import state_of

router = APIRouter(prefix="/jobs", tags=["jobs"])
_QUEUED = load_example("job_queued")

JobId = Annotated[str, Path(max_length=64, description="job id")]
BROKER_ERRORS: tuple[type[DuetError], ...] = (
    InternalServiceError,
    JobsNotConfiguredError,
    BrokerUnavailableError,
    DeadlineExceededError,
)
"""Errors of all job routes."""


class JobsQuery(BaseModel):
    """Filter and page of a job list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: JobKind | None = Field(None, description="train or evaluate; default: both")
    state: JobState | None = Field(None, description="default: any")
    limit: int = Field(50, ge=1, le=200, description="maximum number of jobs on a page")
    cursor: str | None = Field(None, pattern=JOB_ID_PATTERN, description="`next_cursor` of the previous page")


@router.get(
    "",
    responses={
        **success(load_example("jobs"), "A page of jobs, newest first"),
        **responses(InvalidParametersError, *BROKER_ERRORS),
    },
)
async def list_jobs(request: Request, query: Annotated[JobsQuery, Query()], job_service: JobServiceDep) -> JobList:
    """List jobs, newest first. Finished jobs are removed after the retention time."""
    page = await job_service.call(
        lambda: job_service.store.list(kind=query.kind, state=query.state, limit=query.limit, cursor=query.cursor),
        state_of(request)["context"].deadline,
    )
    return job_list(page)


@router.get(
    "/{job_id}",
    responses={
        **success(load_example("job"), "The job, with its progress, result or error"),
        **responses(UnknownJobError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def get_job(request: Request, job_id: JobId, job_service: JobServiceDep) -> JobAnswer:
    """Describe one job: parameters, progress, result or error."""
    return job_answer(
        await job_service.call(lambda: job_service.store.get(job_id), state_of(request)["context"].deadline)
    )


@router.post(
    "/{job_id}/cancel",
    responses={
        **success(load_example("job_cancelling"), "The job is cancelled, or cancelling if it is running"),
        **responses(*CALLER_ERRORS, UnknownJobError, JobFinishedError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def cancel_job(request: Request, caller: JobsCaller, job_id: JobId, job_service: JobServiceDep) -> JobAnswer:
    """Cancel a job: a queued job at once, a running job within seconds. The last checkpoint is kept.

    The request can be repeated.
    """
    return job_answer(
        await job_service.call(lambda: job_service.store.request_cancel(job_id), state_of(request)["context"].deadline)
    )


_RETRIED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The job is queued again",
        "headers": {"Location": {"schema": {"type": "string"}, "example": _QUEUED["links"]["job"]}},
        "content": {"application/json": {"example": _QUEUED}},
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
    """Retry a failed or cancelled job; it resumes from its last checkpoint."""
    record = await job_service.call(lambda: job_service.retry(job_id), state_of(request)["context"].deadline)
    response.headers["Location"] = job_path(job_id)
    return job_answer(record)
