"""Exceptions of the client, by HTTP status.

ClientError
├── UnreachableError             no response: the connection was refused or timed out
├── UnexpectedResponseError      the response is not from Duet
├── JobTimeoutError              a job did not end within the timeout
└── ResponseError                  the service responded with an error; its fields are attributes of the exception
    ├── InvalidRequestError      400, 405, 406, 408, 413, 415, 422
    ├── NotAllowedError          401, 403: the key is missing, unknown or lacks the scope
    ├── NotFoundError            404: unknown model, version, job or path
    ├── ConflictError            409: version refused by the gate, job already finished
    ├── TooManyRequestsError     429, after the retries
    ├── NotReadyError            503, after the retries
    └── DeadlineError            504
"""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import ValidationError

from core.errors import DuetError
from core.schemas.api import ProblemDetails


class ClientError(DuetError):
    """Base class of the errors of `duet.Client`."""


class UnreachableError(ClientError):
    """The service did not respond."""


class UnexpectedResponseError(ClientError):
    """The response is not from a Duet service."""


class JobTimeoutError(ClientError):
    """The job did not end within the timeout; it continues to run."""


class ResponseError(ClientError):
    """The service responded with an error (RFC 9457 problem details).

    Attributes:
        status: HTTP status code.
        type: machine-readable problem type.
        title: human-readable problem type.
        detail: cause of this error and remedy.
        request_id: id of the request in the service's log; None if a proxy responded.
        fields: further fields of the problem, such as `available` or `limit_bytes`.
        retry_after_seconds: delay before a retry; None if the service does not give one.
    """

    def __init__(
        self, status: int, problem: ProblemDetails | None, text: str, retry_after_seconds: float | None = None
    ) -> None:
        """Create the error; `text` is the detail if there is no problem document, for example from a proxy."""
        self.status = status
        self.type = problem.type if problem else "about:blank"
        self.title = problem.title if problem else f"HTTP {status}"
        self.detail = problem.detail if problem else text
        self.request_id = problem.request_id if problem else None
        self.retry_after_seconds = retry_after_seconds
        fields: dict[str, Any] = dict(problem.model_extra or {}) if problem else {}
        super().__init__(f"{self.title}: {self.detail}" if self.detail else self.title, **fields)


class InvalidRequestError(ResponseError):
    """The request is invalid."""


class NotAllowedError(ResponseError):
    """The client's API key is missing, unknown or lacks the scope."""


class NotFoundError(ResponseError):
    """The model, version, job or path does not exist; `fields["available"]` lists the existing ones."""


class ConflictError(ResponseError):
    """The request conflicts with the state of a model or job."""


class TooManyRequestsError(ResponseError):
    """The queue is full and stayed full during all retries."""


class NotReadyError(ResponseError):
    """The service or the model is not ready and did not become ready during all retries."""


class DeadlineError(ResponseError):
    """The request exceeded the service's deadline."""


_BY_STATUS: dict[int, type[ResponseError]] = {
    400: InvalidRequestError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    405: InvalidRequestError,
    406: InvalidRequestError,
    408: InvalidRequestError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
    503: NotReadyError,
    504: DeadlineError,
}
_SHOWN_CHARACTERS = 200


def error_of(response: httpx.Response) -> ResponseError:
    """Return the exception for an error response whose body has been read."""
    try:
        problem = ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        problem = None
    error = _BY_STATUS.get(response.status_code, ResponseError)
    return error(response.status_code, problem, response.text[:_SHOWN_CHARACTERS], _retry_after(response, problem))


def _retry_after(response: httpx.Response, problem: ProblemDetails | None) -> float | None:
    milliseconds = (problem.model_extra or {}).get("retry_after_ms") if problem else None
    if isinstance(milliseconds, int | float):
        return milliseconds / 1000
    stated = response.headers.get("retry-after", "")
    return float(stated) if stated.isdecimal() else None
