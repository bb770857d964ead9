"""Jobs as responses, and the errors of all job routes."""

from __future__ import annotations

from core.errors import BrokerUnavailableError, DuetError
from core.jobs.records import JobRecord
from core.schemas.jobs import JobAccepted, JobAnswer, JobLinks
from service.errors import DeadlineExceededError, JobsNotConfiguredError
from service.errors.hidden_paths import hide_paths
from service.settings import Settings

BROKER_ERRORS: tuple[type[DuetError], ...] = (JobsNotConfiguredError, BrokerUnavailableError, DeadlineExceededError)


def job_path(job_id: str, root: str) -> str:
    """Path of a job; `root` is DUET_ROOT_PATH."""
    return f"{root}/jobs/{job_id}"


def job_answer(record: JobRecord, settings: Settings) -> JobAnswer:
    """Return the job with its links; paths of the server in its error message are replaced by settings."""
    fields = record.model_dump()
    fields["error"] = hide_paths(fields["error"], **settings.folders)
    return JobAnswer.model_validate({**fields, "links": _links(record, settings.root_path)})


def job_accepted(record: JobRecord, root: str) -> JobAccepted:
    """Response to a submission: the fields of a job that never change, and its links below `root`."""
    return JobAccepted(
        id=record.id,
        kind=record.kind,
        parameters=record.parameters,
        created_at=record.created_at,
        links=_links(record, root).model_copy(
            update={"cancel": f"{job_path(record.id, root)}/cancel", "retry": None, "result": None}
        ),
    )


def _links(record: JobRecord, root: str) -> JobLinks:
    path = job_path(record.id, root)
    return JobLinks(
        job=path,
        events=f"{path}/events",
        log=f"{path}/log",
        cancel=None if record.finished else f"{path}/cancel",
        retry=f"{path}/retry" if record.state in ("failed", "cancelled") else None,
        result=f"{path}/result" if record.kind == "batch" and record.state == "succeeded" else None,
    )
