"""Job submission: JSON body, Idempotency-Key and response of POST /train and POST /evaluate."""

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
from service.api.examples import load_example
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
from service.observability.logging import RequestContext
from service.security.authenticator import Caller
from service.security.dependencies import CALLER_ERRORS, JobsCaller
from service.state import state_of

Parameters = TypeVar("Parameters", bound=BaseModel)
_ACCEPTED = load_example("job_accepted")

SUBMISSION_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The job is stored and will run even if processes die; `Location` is its URL",
        "headers": {"Location": {"schema": {"type": "string"}, "example": _ACCEPTED["links"]["job"]}},
        "content": {"application/json": {"example": _ACCEPTED}},
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
        description="text chosen by the client; a repeated request with the same key does not create a second job",
    ),
]


async def _body(request: Request) -> bytes:
    state = state_of(request)
    return await state["body_reader"].read_whole(
        request.scope["headers"], request.receive, deadline=state["context"].deadline
    )


JsonBody = Annotated[bytes, Depends(_body)]


def json_body(model: type[BaseModel], example: Any) -> dict[str, Any]:
    """OpenAPI `requestBody` of a route whose body is `model` as JSON."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def read_body(model: type[Parameters], body: bytes) -> Parameters:
    """Parse the body as `model`.

    Raises:
        MalformedBodyError: the body is not a JSON object.
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
    """Caller, context and job service of one submission."""

    jobs: JobService
    caller: Caller
    context: RequestContext
    idempotency_key: str | None

    async def answer(self, parameters: JobParameters, check: Callable[[], None], response: Response) -> JobAccepted:
        """Store the job and return its links; `check` raises if the job could not run."""
        record = await self.jobs.call(
            lambda: self.jobs.submit(parameters, self.context, idempotency_key=self.idempotency_key, check=check),
            self.context.deadline,
        )
        response.headers["Location"] = job_path(record.id)
        return job_accepted(record)


async def _submission(
    request: Request, caller: JobsCaller, jobs: JobServiceDep, idempotency_key: IdempotencyKey = None
) -> Submission:
    # Scoped by caller: two callers may choose the same key.
    own_key = None if idempotency_key is None else f"{caller.key_id} {idempotency_key}"
    return Submission(jobs, caller, state_of(request)["context"], own_key)


SubmissionDep = Annotated[Submission, Depends(_submission)]
