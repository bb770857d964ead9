"""What can go wrong between a client and the service.

ClientError
├── UnreachableError        no answer at all: nothing listens there, or it took too long
├── UnexpectedResponseError      an answer that is not Duet's: another program listens there
├── JobTimeoutError         a job has not ended in the time that it was waited for
└── AnswerError             the service answered with a problem, whose fields are on the exception
    ├── InvalidRequestError 400, 405, 406, 408, 413, 415, 422
    ├── NotAllowedError     401, 403: a key is missing, unknown, or of too small a scope
    ├── NotFoundError       404: no such model, version, job or address
    ├── ConflictError       409: refused versions, a gate that was not passed, jobs that have ended
    ├── TooManyRequestsError           429, after the retries
    ├── NotReadyError       503, after the retries
    └── DeadlineError       504
"""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import ValidationError

from core.errors import DuetError
from core.schemas.api import ProblemDetails


class ClientError(DuetError):
    """Base of everything that `duet.Client` raises about a request."""


class UnreachableError(ClientError):
    """The service gave no answer."""


class UnexpectedResponseError(ClientError):
    """What answered is no service of Duet's."""


class JobTimeoutError(ClientError):
    """The job goes on."""


class AnswerError(ClientError):
    """The service answered with an error.

    Attributes:
        status: of HTTP.
        type: names the kind of problem, for programs.
        title: names it for people.
        detail: what is wrong with this request and what to do.
        request_id: under which the service's log has it; None where the answer did not come from the service.
        fields: what else this kind of problem says, such as `available` or `limit_bytes`.
        retry_after_seconds: after which the service wants to be asked again; None where it does not say.
    """

    def __init__(
        self, status: int, problem: ProblemDetails | None, text: str, retry_after_seconds: float | None = None
    ) -> None:
        """`text` stands in where the answer is not a problem, as from a proxy in between."""
        self.status = status
        self.type = problem.type if problem else "about:blank"
        self.title = problem.title if problem else f"HTTP {status}"
        self.detail = problem.detail if problem else text
        self.request_id = problem.request_id if problem else None
        self.fields: dict[str, Any] = dict(problem.model_extra or {}) if problem else {}
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"{self.title}: {self.detail}" if self.detail else self.title)


class InvalidRequestError(AnswerError):
    """What was sent cannot be answered."""


class NotAllowedError(AnswerError):
    """The key that the client was made with does not do."""


class NotFoundError(AnswerError):
    """There is no such model, version, job or address; `fields["available"]` lists what there is."""


class ConflictError(AnswerError):
    """The state of the models or jobs does not allow it."""


class TooManyRequestsError(AnswerError):
    """The queue is full, and stayed so while the client retried."""


class NotReadyError(AnswerError):
    """The service, or the model asked for, is not ready, and stayed so while the client retried."""


class DeadlineError(AnswerError):
    """The service did not answer in the time it allows itself."""


_BY_STATUS: dict[int, type[AnswerError]] = {
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


def error_of(response: httpx.Response) -> AnswerError:
    """The exception that an unsuccessful answer stands for; its body has been read."""
    try:
        problem = ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        problem = None
    error = _BY_STATUS.get(response.status_code, AnswerError)
    return error(response.status_code, problem, response.text[:_SHOWN_CHARACTERS], _retry_after(response, problem))


def _retry_after(response: httpx.Response, problem: ProblemDetails | None) -> float | None:
    milliseconds = (problem.model_extra or {}).get("retry_after_ms") if problem else None
    if isinstance(milliseconds, int | float):
        return milliseconds / 1000
    stated = response.headers.get("retry-after", "")
    return float(stated) if stated.isdecimal() else None
