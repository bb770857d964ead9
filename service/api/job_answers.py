"""What the routes of jobs answer, as data."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.jobs.parameters import JobKind
from service.jobs.records import JobRecord
from service.jobs.store import Page


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobLinks(_Answer):
    """Where everything about the job is."""

    job: str
    events: str = Field(description="server-sent events, from the first on")
    log: str = Field(description="what the job's process printed")
    cancel: str | None = Field(description="POST here to cancel it; null once it has ended")
    retry: str | None = Field(description="POST here to try it again; null unless it failed or was cancelled")


class JobAnswer(JobRecord):
    """A job, and where to go from here."""

    links: JobLinks


class JobList(_Answer):
    """Answer of GET /jobs."""

    jobs: tuple[JobAnswer, ...] = Field(description="newest first")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")


class JobAccepted(_Answer):
    """Answer of POST /train and POST /evaluate: the same whenever a request is sent again with its Idempotency-Key."""

    id: str
    kind: JobKind
    parameters: dict[str, JsonValue] = Field(description="as given, with the defaults filled in")
    created_at: datetime
    links: JobLinks


def job_path(job_id: str) -> str:
    """Where a job is."""
    return f"/jobs/{job_id}"


def job_answer(record: JobRecord) -> JobAnswer:
    """The record as it is answered."""
    return JobAnswer.model_validate({**record.model_dump(), "links": _links(record)})


def job_list(page: Page) -> JobList:
    """The page as it is answered."""
    return JobList(jobs=tuple(map(job_answer, page.records)), next_cursor=page.next_cursor)


def job_accepted(record: JobRecord) -> JobAccepted:
    """What a job is from the moment it is recorded until it is removed."""
    path = job_path(record.id)
    return JobAccepted(
        id=record.id,
        kind=record.kind,
        parameters=record.parameters,
        created_at=record.created_at,
        links=JobLinks(job=path, events=f"{path}/events", log=f"{path}/log", cancel=f"{path}/cancel", retry=None),
    )


def _links(record: JobRecord) -> JobLinks:
    path = job_path(record.id)
    return JobLinks(
        job=path,
        events=f"{path}/events",
        log=f"{path}/log",
        cancel=None if record.finished else f"{path}/cancel",
        retry=f"{path}/retry" if record.state in ("failed", "cancelled") else None,
    )
