"""Error responses of the Open Inference Protocol: `{"error": ...}` instead of problem+json."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from core.errors import DuetError
from service.errors import PROBLEMS, Problem, problem_of
from service.openinference.messages import ErrorMessage

ROOT = "/v2"
TAG = "open inference protocol v2"


def speaks_protocol(path: str) -> bool:
    """Return whether errors under this path use the protocol's format; also true for paths that do not exist."""
    return path == ROOT or path.startswith(ROOT + "/")


def error_response(problem: Problem) -> Response:
    """The response for a problem."""
    return Response(
        orjson.dumps({"error": problem.detail}),
        status_code=problem.type.status,
        headers=problem.headers,
        media_type="application/json",
    )


def error_responses(*errors: type[DuetError] | DuetError) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route of the protocol that reports these errors, with one named example each.

    Pass an instance if the example in the table of errors does not fit the protocol.
    """
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        example = problem_of(error if isinstance(error, DuetError) else PROBLEMS[error].example)
        kind = example.type
        entry = documented.setdefault(
            kind.status,
            {"description": kind.title, "model": ErrorMessage, "content": {"application/json": {"examples": {}}}},
        )
        if entry["description"] != kind.title:
            entry["description"] = "One of several errors; see the examples"
        entry["content"]["application/json"]["examples"][kind.slug] = {
            "summary": kind.title,
            "value": {"error": example.detail},
        }
        for name, value in example.headers.items():
            entry.setdefault("headers", {})[name] = {"schema": {"type": "string"}, "example": value}
    return documented
