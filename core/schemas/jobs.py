"""What the API answers about jobs, as data; see `core.schemas.api`."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from core.jobs.parameters import JobKind
from core.jobs.records import JobRecord
from core.schemas.api import ResponseModel


class JobLinks(ResponseModel):
    """Where everything about the job is."""

    job: str
    events: str = Field(description="server-sent events, from the first on")
    log: str = Field(description="what the job's process printed")
    cancel: str | None = Field(description="POST here to cancel it; null once it has ended")
    retry: str | None = Field(description="POST here to try it again; null unless it failed or was cancelled")


class JobAnswer(JobRecord):
    """A job, and where to go from here."""

    links: JobLinks


class JobList(ResponseModel):
    """Answer of GET /jobs."""

    jobs: tuple[JobAnswer, ...] = Field(description="newest first")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")


class JobAccepted(ResponseModel):
    """Answer of POST /train and POST /evaluate: the same whenever a request is sent again with its Idempotency-Key."""

    id: str
    kind: JobKind
    parameters: dict[str, JsonValue] = Field(description="as given, with the defaults filled in")
    created_at: datetime
    links: JobLinks
