"""How the record of a job becomes what the routes of jobs answer."""

from __future__ import annotations

from core.jobs.records import JobRecord
from core.schemas.jobs import JobAccepted, JobAnswer, JobLinks, JobList
from service.jobs.store.store import Page


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
