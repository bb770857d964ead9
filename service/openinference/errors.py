"""Error responses of the Open Inference Protocol: `{"error": ...}` instead of problem+json."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from core.errors import DuetError
from service.errors import Problem, error_examples
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
    """OpenAPI `responses` of a route of the protocol that reports these errors, or an internal error.

    Pass an instance if the example in the table of errors does not fit the protocol.
    """
    documented = error_examples(errors, "application/json", lambda problem: {"error": problem.detail})
    return {status: {**entry, "model": ErrorMessage} for status, entry in documented.items()}
