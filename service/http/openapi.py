"""What FastAPI's own OpenAPI document lacks or has too much: schemas of routes' own bodies, nulls, 422s."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from core.schemas.api import ProblemDetails
from service.openinference.messages import InferenceRequest


def install_openapi(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Make `app.openapi()` the whole document, made once, when first asked for; `routers` are those of the app."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
            request = InferenceRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= request.pop("$defs")
            schemas["InferenceRequest"] = request
            for route in (route for router in routers for route in router.routes):
                if isinstance(route, APIRoute) and route.include_in_schema:
                    _correct_responses(document["paths"], route)
            for operation in (one for path in document["paths"].values() for one in path.values()):
                for parameter in operation.get("parameters", ()):
                    _strip_null(parameter["schema"])
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _correct_responses(paths: dict[str, Any], route: APIRoute) -> None:
    """Make a route's responses what it declares: FastAPI strips every null of examples, and adds a 422 of its own."""
    for method in route.methods or ():
        documented = paths[route.path_format][method.lower()]["responses"]
        if 422 not in route.responses:
            documented.pop("422", None)
        for status, response in route.responses.items():
            for media_type, content in response.get("content", {}).items():
                examples = {name: content[name] for name in ("example", "examples") if name in content}
                documented[str(status)]["content"][media_type].update(examples)


def _strip_null(schema: dict[str, Any]) -> None:
    """Take the null out of a parameter's schema: one that is not given is left out, and nothing in a URL is null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        schema |= kinds[0]
        del schema["anyOf"]
