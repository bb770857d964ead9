"""API schemas of jobs."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from core.jobs.parameters import JobKind
from core.jobs.records import JobRecord
from core.schemas.api import ResponseModel


class JobLinks(ResponseModel):
    """URLs of a job."""

    job: str
    events: str = Field(description="server-sent events, from the first one")
    log: str = Field(description="output of the job's process")
    cancel: str | None = Field(description="POST here to cancel the job; null after its end")
    retry: str | None = Field(description="POST here to retry the job; null unless it failed or was cancelled")


class JobAnswer(JobRecord):
    """A job with its links."""

    links: JobLinks


class JobList(ResponseModel):
    """Response of GET /jobs."""

    jobs: tuple[JobAnswer, ...] = Field(description="newest first")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page")


class JobAccepted(ResponseModel):
    """Response of POST /train and POST /evaluate; the same for each request with one Idempotency-Key."""

    id: str
    kind: JobKind
    parameters: dict[str, JsonValue] = Field(description="as given, with the defaults filled in")
    created_at: datetime
    links: JobLinks
