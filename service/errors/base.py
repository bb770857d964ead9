"""The root of every error that the API answers with, and how an error documents itself in OpenAPI."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:duet:problem:"
EXAMPLE_REQUEST_ID = "6f1c2b9a4d3e4f5a8b7c6d5e4f3a2b1c"


class ProblemError(Exception, ABC):
    """An error with a place in HTTP: RFC 9457 problem details.

    A subclass states `status`, `slug` and `title` once; an instance adds the sentence for this request, further
    fields that programs can use, and headers. `example` makes the instance that OpenAPI shows.
    """

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.fields = fields

    @classmethod
    @abstractmethod
    def example(cls) -> Self:
        """An instance as it could really occur, for the documentation."""

    def body(self, request_id: str) -> dict[str, Any]:
        """The problem details of this error, ready for JSON."""
        return {
            "type": TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
            **self.fields,
        }


def responses(*errors: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for the errors that a route can answer with, one named example each."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        example = error.example()
        entry = documented.setdefault(error.status, {"description": error.title, "content": _content()})
        if entry["description"] != error.title:
            entry["description"] = "One of several problems; see the examples"
        entry["content"][PROBLEM_MEDIA_TYPE]["examples"][error.slug] = {
            "summary": error.title,
            "value": example.body(EXAMPLE_REQUEST_ID),
        }
        for name, value in example.headers.items():
            entry.setdefault("headers", {})[name] = {"schema": {"type": "string"}, "example": value}
    return documented


def _content() -> dict[str, Any]:
    return {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": {}}}
