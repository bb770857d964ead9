"""/jobs/{job_id}/result: download and deletion of the tables of a batch prediction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse

from core.errors import JobNotFoundError
from core.jobs.parameters import BatchParameters, TableFormat
from core.jobs.records import JobRecord
from core.repository.manifest import ModelReference
from core.schemas.jobs import JobAnswer
from service.api.common.job_responses import BROKER_ERRORS, job_answer
from service.api.common.openapi import BINARY, content, success
from service.api.deps import CALLER_ERRORS, JobsCaller, JobServiceDep, StateDep
from service.api.examples import load_example
from service.api.routes.jobs import JobId
from service.datasets.uploads import storage_problem
from service.errors import HomeNotWritableError, InvalidParametersError, NoJobResultError, StorageFullError, responses
from service.jobs.batch.results import delete_results, read_summary, table_path

router = APIRouter(prefix="/jobs", tags=["jobs"])

MEDIA_TYPES: Mapping[TableFormat, str] = MappingProxyType(
    {
        "csv": "text/csv; charset=utf-8",
        "jsonl": "application/jsonl; charset=utf-8",
        "parquet": "application/vnd.apache.parquet",
    }
)
_CSV_EXAMPLE = (
    "file,label,probability,prediction_set,out_of_distribution,error\n"
    'cat/1.png,cat,0.9731,"[""cat""]",false,\n'
    "cat/2.png,,,,,the PNG image is damaged: send the whole file\n"
)
_JSONL_EXAMPLE = (
    '{"file":"cat/1.png","label":"cat","probability":0.9731,"prediction_set":["cat"],"out_of_distribution":false,'
    '"error":null}\n'
)


class ResultQuery(BaseModel):
    """Choice of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelReference | None = Field(
        None, description="version of the table, as in `result.tables` of the job; needed if there are several"
    )


@router.get(
    "/{job_id}/result",
    response_class=FileResponse,
    responses={
        **content(
            "The table: a row for each file, in the order of the names",
            {
                "text/csv": {"schema": {"type": "string"}, "example": _CSV_EXAMPLE},
                "application/jsonl": {"schema": {"type": "string"}, "example": _JSONL_EXAMPLE},
                "application/vnd.apache.parquet": {"schema": BINARY, "example": "PAR1..."},
            },
        ),
        **responses(JobNotFoundError, NoJobResultError, InvalidParametersError, *BROKER_ERRORS),
    },
)
async def job_result(
    job_id: JobId, query: Annotated[ResultQuery, Query()], job_service: JobServiceDep, state: StateDep
) -> FileResponse:
    """Download a table of a batch prediction that has succeeded; ranges can be requested."""
    home = state["settings"].home

    def find() -> tuple[FilePath, TableFormat]:
        record = job_service.store.get(job_id)
        parameters = _batch(record)
        if record.state != "succeeded":
            raise NoJobResultError(f"job {job_id} is {record.state}: only a job that has succeeded has a result")
        table = table_path(home, job_id, _chosen(query.model, parameters), parameters.format)
        if read_summary(table) is None or not table.is_file():
            raise NoJobResultError(f"the result of job {job_id} was deleted: start the batch prediction again")
        return table, parameters.format

    table, table_format = await job_service.call(find, state["context"].deadline)
    return FileResponse(table, media_type=MEDIA_TYPES[table_format], filename=table.name)


@router.delete(
    "/{job_id}/result",
    responses={
        **success(load_example("job_batch"), "The job, whose tables are deleted"),
        **responses(
            *CALLER_ERRORS,
            JobNotFoundError,
            NoJobResultError,
            InvalidParametersError,
            HomeNotWritableError,
            StorageFullError,
            *BROKER_ERRORS,
        ),
    },
)
async def delete_job_result(
    caller: JobsCaller, job_id: JobId, job_service: JobServiceDep, state: StateDep
) -> JobAnswer:
    """Delete the tables of a batch prediction that has ended. A retry of a failed one then begins again."""
    settings = state["settings"]

    def delete() -> JobRecord:
        record = job_service.store.get(job_id)
        _batch(record)
        if not record.finished:
            raise NoJobResultError(f"job {job_id} is {record.state}: cancel it first, or wait until it has ended")
        try:
            if not delete_results(settings.home, job_id):
                raise NoJobResultError(f"job {job_id} has no tables: they were deleted, or it wrote none")
        except OSError as error:
            raise storage_problem(error) from error
        return record

    record = await job_service.call(delete, state["context"].deadline)
    return job_answer(record, settings)


def _batch(record: JobRecord) -> BatchParameters:
    parameters = record.typed_parameters()
    if not isinstance(parameters, BatchParameters):
        raise NoJobResultError(
            f"job {record.id} is of kind {record.kind}: only a batch prediction has tables, GET /jobs/{{job_id}} has "
            "the results of other jobs"
        )
    return parameters


def _chosen(model: str | None, parameters: BatchParameters) -> str:
    if model is None and len(parameters.models) == 1:
        return parameters.models[0]
    if model not in parameters.models:
        raise InvalidParametersError([("model", f"name one of the models of this job: {', '.join(parameters.models)}")])
    return model
