"""/jobs: list, progress, log, cancellation and retry of jobs."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from core.errors import JobFinishedError, JobNotFoundError, JobNotRetryableError
from core.jobs.parameters import JobKind
from core.jobs.records import JobState
from core.schemas.jobs import JobAnswer, JobList
from core.text_pattern import TextPattern
from service.api.common.job_responses import BROKER_ERRORS, job_answer, job_path
from service.api.common.openapi import success
from service.api.deps import CALLER_ERRORS, JobsCaller, JobServiceDep, StateDep
from service.api.examples import load_example
from service.errors import (
    DatasetMissingError,
    InvalidParametersError,
    TooManyQueuedJobsError,
    TrainingNotReadyError,
    responses,
)
from service.errors.hidden_paths import paths_in_bytes
from service.jobs.log import complete_end, log_path, read_between, start_of_last_lines
from service.jobs.store.keys import JOB_ID_PATTERN

router = APIRouter(prefix="/jobs", tags=["jobs"])
_QUEUED = load_example("job_queued")

JobId = Annotated[str, Path(max_length=64, description="job id")]
NEXT_OFFSET = "X-Duet-Next-Offset"
_LOG_EXAMPLE = "epoch 1/3: train loss 1.2841, validation accuracy 0.6422\n"


Cursor = Annotated[
    str, TextPattern(rf"^{JOB_ID_PATTERN}$", "use the `next_cursor` of the previous page, 32 digits and letters a to f")
]


class JobsQuery(BaseModel):
    """Filter and page of a job list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: JobKind | None = Field(None, description="train, evaluate, batch or download; default: all")
    state: JobState | None = Field(None, description="default: any")
    limit: int = Field(50, ge=1, le=200, description="maximum number of jobs on a page")
    cursor: Cursor | None = Field(None, description="`next_cursor` of the previous page")


@router.get(
    "",
    responses={
        **success(load_example("jobs"), "A page of jobs, newest first"),
        **responses(InvalidParametersError, *BROKER_ERRORS),
    },
)
async def list_jobs(query: Annotated[JobsQuery, Query()], job_service: JobServiceDep, state: StateDep) -> JobList:
    """List jobs, newest first. Finished jobs are removed after the retention time."""
    page = await job_service.call(
        lambda: job_service.store.list(kind=query.kind, state=query.state, limit=query.limit, cursor=query.cursor),
        state["context"].deadline,
    )
    return JobList(
        jobs=tuple(job_answer(record, state["settings"]) for record in page.records),
        next_cursor=page.next_cursor,
    )


@router.get(
    "/{job_id}",
    responses={
        **success(load_example("job"), "The job, with its progress, result or error"),
        **responses(JobNotFoundError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def get_job(job_id: JobId, job_service: JobServiceDep, state: StateDep) -> JobAnswer:
    """Describe one job: parameters, progress, result or error."""
    record = await job_service.call(lambda: job_service.store.get(job_id), state["context"].deadline)
    return job_answer(record, state["settings"])


@router.post(
    "/{job_id}/cancel",
    responses={
        **success(load_example("job_cancelling"), "The job is cancelled, or cancelling if it is running"),
        **responses(*CALLER_ERRORS, JobNotFoundError, JobFinishedError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def cancel_job(caller: JobsCaller, job_id: JobId, job_service: JobServiceDep, state: StateDep) -> JobAnswer:
    """Cancel a job: a queued job at once, a running job within seconds. The last checkpoint is kept.

    The request can be repeated.
    """
    record = await job_service.call(lambda: job_service.store.request_cancel(job_id), state["context"].deadline)
    return job_answer(record, state["settings"])


@router.post(
    "/{job_id}/retry",
    status_code=202,
    responses={
        202: {
            "description": "The job is queued again",
            "headers": {"Location": {"schema": {"type": "string"}, "example": _QUEUED["links"]["job"]}},
            "content": {"application/json": {"example": _QUEUED}},
        },
        **responses(
            *CALLER_ERRORS,
            JobNotFoundError,
            JobNotRetryableError,
            InvalidParametersError,
            DatasetMissingError,
            TrainingNotReadyError,
            TooManyQueuedJobsError,
            *BROKER_ERRORS,
        ),
    },
)
async def retry_job(
    response: Response, caller: JobsCaller, job_id: JobId, job_service: JobServiceDep, state: StateDep
) -> JobAnswer:
    """Retry a failed or cancelled job; it resumes from its last checkpoint."""
    record = await job_service.call(lambda: job_service.retry(job_id, caller=caller), state["context"].deadline)
    response.headers["Location"] = job_path(job_id, state["settings"].root_path)
    return job_answer(record, state["settings"])


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
                    "example": len(_LOG_EXAMPLE),
                }
            },
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _LOG_EXAMPLE}},
        },
        **responses(JobNotFoundError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def job_log(
    job_id: JobId, query: Annotated[LogQuery, Query()], job_service: JobServiceDep, state: StateDep
) -> Response:
    """Read the log of a job: all of it, the last lines, or the part after an offset.

    Names of settings, such as DUET_HOME, take the place of paths of the server.
    """
    home, hidden = state["settings"].home, paths_in_bytes(**state["settings"].folders)

    def find_range() -> tuple[FilePath, int, int]:
        path = log_path(home, job_service.store.get(job_id).id)  # raises for unknown ids
        end = complete_end(path, hidden)
        start = start_of_last_lines(path, query.tail) if query.tail is not None else 0
        return path, min(end, max(start, query.offset)), end

    path, start, end = await job_service.call(find_range, state["context"].deadline)
    # Limited to the size at the time of the header: the job continues to write.
    return StreamingResponse(
        read_between(path, start, end, hidden),
        media_type="text/plain; charset=utf-8",
        headers={NEXT_OFFSET: str(end), "Cache-Control": "no-store"},
    )
