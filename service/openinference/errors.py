"""How the protocol says that something is wrong: `{"error": ...}`, where the rest of the API sends problem+json."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from service.errors import ProblemError
from service.openinference.messages import ErrorMessage

ROOT = "/v2"
TAG = "open inference protocol v2"


def speaks_protocol(path: str) -> bool:
    """Whether what asks for this path expects the protocol's errors, be there anything or not."""
    return path == ROOT or path.startswith(ROOT + "/")


def error_response(problem: ProblemError) -> Response:
    """The answer that a problem makes."""
    return Response(
        orjson.dumps({"error": problem.detail}),
        status_code=problem.status,
        headers=problem.headers,
        media_type="application/json",
    )


def error_responses(*errors: type[ProblemError] | ProblemError) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for the errors that a route of the protocol can answer with, one named example each.

    An instance stands for its type where the type's own example would be foreign to the protocol.
    """
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        example = error if isinstance(error, ProblemError) else error.example()
        entry = documented.setdefault(
            error.status,
            {"description": error.title, "model": ErrorMessage, "content": {"application/json": {"examples": {}}}},
        )
        if entry["description"] != error.title:
            entry["description"] = "One of several errors; see the examples"
        entry["content"]["application/json"]["examples"][error.slug] = {
            "summary": error.title,
            "value": {"error": example.detail},
        }
        for name, value in example.headers.items():
            entry.setdefault("headers", {})[name] = {"schema": {"type": "string"}, "example": value}
    return documented
