"""Responses of the job routes, made from job records."""

from __future__ import annotations

from core.jobs.records import JobRecord
from core.schemas.jobs import JobAccepted, JobAnswer, JobLinks, JobList
from service.jobs.store.store import Page


def job_path(job_id: str) -> str:
    """Path of a job."""
    return f"/jobs/{job_id}"


def job_answer(record: JobRecord) -> JobAnswer:
    """The job with its links."""
    return JobAnswer.model_validate({**record.model_dump(), "links": _links(record)})


def job_list(page: Page) -> JobList:
    """A page of jobs with their links."""
    return JobList(jobs=tuple(map(job_answer, page.records)), next_cursor=page.next_cursor)


def job_accepted(record: JobRecord) -> JobAccepted:
    """Response to a submission: the fields of a job that never change."""
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
