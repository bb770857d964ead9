"""JSON bodies: reading, parsing, and their description in OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from service.errors import BodyTooLargeError, MalformedBodyError
from service.http.problem_handlers import invalid_parameters
from service.state import state_of

MAX_JSON_BYTES = 64 * 1024
"""Limit of a JSON body, which is parsed on the event loop and whose values are echoed in errors and job records."""
_MAX_PROBLEMS = 20
Parameters = TypeVar("Parameters", bound=BaseModel)


async def _body(request: Request) -> bytes:
    state = state_of(request)
    body = await state["body_reader"].read_whole(
        request.scope["headers"], request.receive, deadline=state["context"].deadline
    )
    if len(body) > MAX_JSON_BYTES:
        raise BodyTooLargeError(MAX_JSON_BYTES)
    return body


JsonBody = Annotated[bytes, Depends(_body)]


def json_body(model: type[BaseModel], example: Any, *, required: bool = True) -> dict[str, Any]:
    """OpenAPI `requestBody` of a route whose body is `model` as JSON."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": required, "content": content}}


def read_body(model: type[Parameters], body: bytes) -> Parameters:
    """Parse the body as `model`.

    Raises:
        MalformedBodyError: the body is not a JSON object.
        InvalidParametersError: a field is missing, unknown or out of range; at most 20 are listed.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        if not problems[0]["loc"]:
            raise MalformedBodyError(f"the body is not a JSON object with these fields: {problems[0]['msg']}") from None
        raise invalid_parameters(problems[:_MAX_PROBLEMS]) from None
