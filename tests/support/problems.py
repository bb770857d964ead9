"""Checks of the problem details (RFC 9457) of API errors."""

from __future__ import annotations

from typing import Any

import httpx

from core.schemas.api import ProblemDetails


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check the form of a problem, and that it has no traceback; return its fields."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = ProblemDetails.model_validate_json(answer.content)
    assert problem.type == f"urn:duet:problem:{slug}"
    assert (problem.status, problem.request_id) == (status, answer.headers["x-request-id"])
    assert problem.title
    assert problem.detail
    assert "Traceback" not in answer.text
    fields: dict[str, Any] = answer.json()
    return fields
