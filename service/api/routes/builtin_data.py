"""/datasets/cifar10: the built-in data set, and its download as a job."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter
from starlette.responses import Response

from core.errors import BrokerUnavailableError
from core.images.cifar_files import DOWNLOAD_BYTES, NAME
from core.schemas.datasets import BuiltinDataset
from core.schemas.jobs import JobAccepted
from service.api.common.job_responses import BROKER_ERRORS, job_accepted, job_path
from service.api.common.openapi import success
from service.api.deps import CALLER_ERRORS, JobsCaller, JobServiceDep, StateDep
from service.api.examples import load_example
from service.errors import TrainingNotReadyError, responses
from service.jobs.data_sets import has_cifar10

router = APIRouter(prefix=f"/datasets/{NAME}", tags=["datasets"])

_CIFAR10 = BuiltinDataset(
    name=NAME,
    data=NAME,
    classes=10,
    images=60_000,
    available=False,
    download=f"/datasets/{NAME}/download",
    download_bytes=DOWNLOAD_BYTES,
)
_ACCEPTED = {**load_example("job_accepted"), "kind": "download", "parameters": {"data": NAME}}


@router.get("", responses={**success(_CIFAR10.model_dump(mode="json"), "CIFAR-10"), **responses()})
def get_builtin_dataset(state: StateDep) -> BuiltinDataset:
    """Describe CIFAR-10, and say whether jobs find it or it must be downloaded first."""
    jobs = state["jobs"]
    available = has_cifar10(state["settings"])
    if not available and jobs is not None:
        with suppress(BrokerUnavailableError):  # then only this process can look
            available = jobs.has_cifar10()
    download = state["settings"].root_path + _CIFAR10.download
    return _CIFAR10.model_copy(update={"available": available, "download": download})


@router.post(
    "/download",
    status_code=202,
    responses={
        202: {
            "description": "The job is queued, or is the one that already downloads; `Location` is its URL",
            "headers": {"Location": {"schema": {"type": "string"}, "example": _ACCEPTED["links"]["job"]}},
            "content": {"application/json": {"example": _ACCEPTED}},
        },
        **responses(*CALLER_ERRORS, *BROKER_ERRORS, TrainingNotReadyError),
    },
)
async def download_dataset(
    response: Response, caller: JobsCaller, job_service: JobServiceDep, state: StateDep
) -> JobAccepted:
    """Download CIFAR-10 (170 MB) into DUET_HOME as a job, which reports bytes as steps.

    The archive and its files are checked by their published md5. A job that failed or was cancelled resumes where it
    stopped when it is retried. If all files are there and undamaged, the job ends at once.
    """
    context = state["context"]
    record = await job_service.call(lambda: job_service.download(context, caller=caller), context.deadline)
    root = state["settings"].root_path
    response.headers["Location"] = job_path(record.id, root)
    return job_accepted(record, root)
