"""What POST /train and POST /evaluate have in common: a JSON body, an idempotency key, and the answer to both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from core.errors import BrokerUnavailableError, IdempotencyConflictError, IdempotencyInFlightError
from core.jobs.parameters import JobParameters
from core.schemas.jobs import JobAccepted
from service.api.deps import JobServiceDep
from service.api.examples.jobs import ACCEPTED_EXAMPLE
from service.api.responses.jobs import job_accepted, job_path
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DeadlineExceededError,
    InternalServiceError,
    InvalidParametersError,
    JobsNotConfiguredError,
    MalformedBodyError,
    NotReadyError,
    TrainingNotReadyError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
    responses,
)
from service.http.problem_handlers import invalid_parameters
from service.jobs.service import JobService
from service.observability.request_context import RequestContext
from service.security.authenticator import Caller
from service.security.dependencies import CALLER_ERRORS, JobsCaller

Parameters = TypeVar("Parameters", bound=BaseModel)

SUBMISSION_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The job is recorded and will run, whatever dies meanwhile; `Location` is where it is",
        "headers": {"Location": {"schema": {"type": "string"}, "example": ACCEPTED_EXAMPLE["links"]["job"]}},
        "content": {"application/json": {"example": ACCEPTED_EXAMPLE}},
    },
    **responses(
        *CALLER_ERRORS,
        MalformedBodyError,
        UnknownModelError,
        UnknownModelVersionError,
        BodyTimeoutError,
        VersionRefusedError,
        IdempotencyInFlightError,
        BodyTooLargeError,
        InvalidParametersError,
        IdempotencyConflictError,
        InternalServiceError,
        NotReadyError,
        JobsNotConfiguredError,
        BrokerUnavailableError,
        TrainingNotReadyError,
        DeadlineExceededError,
    ),
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="any text of the client's own; the same request sent again with it starts no second job",
    ),
]


async def _body(request: Request) -> bytes:
    state = request.scope["state"]
    body: bytes = await state["body_reader"].read_whole(
        request.scope["headers"], request.receive, deadline=state["context"].deadline
    )
    return body


JsonBody = Annotated[bytes, Depends(_body)]


def json_body(model: type[BaseModel], example: Any) -> dict[str, Any]:
    """OpenAPI additions of a route whose body is `model` as JSON."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def read_body(model: type[Parameters], body: bytes) -> Parameters:
    """The body as `model`.

    Raises:
        MalformedBodyError: it is not a JSON object.
        InvalidParametersError: a field is missing, unknown or out of range.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        if not problems[0]["loc"]:
            raise MalformedBodyError(f"the body is not a JSON object with these fields: {problems[0]['msg']}") from None
        raise invalid_parameters(problems) from None


@dataclass(frozen=True)
class Submission:
    """Where a request for a job comes from and goes to."""

    jobs: JobService
    caller: Caller
    context: RequestContext
    idempotency_key: str | None

    async def answer(self, parameters: JobParameters, check: Callable[[], None], response: Response) -> JobAccepted:
        """Record the job and say where it is; `check` raises where it could not run."""
        record = await self.jobs.call(
            lambda: self.jobs.submit(parameters, self.context, idempotency_key=self.idempotency_key, check=check),
            self.context.deadline,
        )
        response.headers["Location"] = job_path(record.id)
        return job_accepted(record)


async def _submission(
    request: Request, caller: JobsCaller, jobs: JobServiceDep, idempotency_key: IdempotencyKey = None
) -> Submission:
    own_key = (
        None if idempotency_key is None else f"{caller.key_id} {idempotency_key}"
    )  # two callers may choose the same
    return Submission(jobs, caller, request.state.context, own_key)


SubmissionDep = Annotated[Submission, Depends(_submission)]
