"""RFC 9457 problem details of an error, and the documentation of errors in OpenAPI."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import DuetError
from service.errors.base import InternalServiceError, ProblemError, TooManyRequestsError
from service.errors.table import EXAMPLES, PROBLEMS, ProblemType

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:duet:problem:"
EXAMPLE_REQUEST_ID = "6f1c2b9a4d3e4f5a8b7c6d5e4f3a2b1c"


@dataclass(frozen=True, slots=True)
class Problem:
    """One error of one request, as an HTTP response: RFC 9457 problem details."""

    type: ProblemType
    detail: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]

    def body(self, request_id: str) -> dict[str, Any]:
        """The problem details, ready for JSON."""
        return {
            "type": TYPE_PREFIX + self.type.slug,
            "title": self.type.title,
            "status": self.type.status,
            "detail": self.detail,
            "request_id": request_id,
            **self.fields,
        }


def problem_of(error: DuetError) -> Problem:
    """The HTTP representation of an error whose class is in the table."""
    kind = PROBLEMS[type(error)]
    headers = dict(error.headers) if isinstance(error, ProblemError) else {}
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_ms / 1000))
    elif kind.retry_after is not None:
        headers["Retry-After"] = str(kind.retry_after)
    return Problem(kind, str(error), headers, error.fields)


def responses(*errors: type[DuetError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route that reports these errors, or an internal error, with one named example each."""
    documented = error_examples(errors, PROBLEM_MEDIA_TYPE, lambda problem: problem.body(EXAMPLE_REQUEST_ID))
    for entry in documented.values():
        entry["content"][PROBLEM_MEDIA_TYPE]["schema"] = {"$ref": "#/components/schemas/ProblemDetails"}
    return documented


def error_examples(
    errors: Iterable[type[DuetError] | DuetError], media_type: str, render: Callable[[Problem], Any]
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of these errors and of InternalServiceError, without schemas.

    Args:
        errors: classes, documented by their example in the table, or other instances.
        media_type: of the response bodies.
        render: returns the body of a problem.
    """
    documented: dict[int | str, dict[str, Any]] = {}
    for error in (*errors, InternalServiceError):
        example = problem_of(error if isinstance(error, DuetError) else EXAMPLES[error])
        kind = example.type
        entry = documented.setdefault(
            kind.status, {"description": kind.title, "content": {media_type: {"examples": {}}}}
        )
        if entry["description"] != kind.title:
            entry["description"] = "One of several errors; see the examples"
        entry["content"][media_type]["examples"][kind.slug] = {"summary": kind.title, "value": render(example)}
        for name, value in example.headers.items():
            entry.setdefault("headers", {})[name] = {"schema": {"type": "string"}, "example": value}
    return documented
