"""OpenAPI document: FastAPI's own, with the schemas of streamed bodies, shared error examples, no null parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from core.schemas.api import ProblemDetails
from service.errors import PROBLEM_MEDIA_TYPE
from service.openinference.messages import InferenceRequest


def install_openapi(app: FastAPI, routers: Iterable[APIRouter], root: str = "") -> None:
    """Make `app.openapi()` return the corrected document, built on first use.

    Args:
        app: the app.
        routers: all routers of the app.
        root: path of a proxy before all paths.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            servers = [{"url": root}] if root else None
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, servers=servers
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
            request = InferenceRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= request.pop("$defs")
            schemas["InferenceRequest"] = request
            for route in (route for router in routers for route in router.routes):
                if isinstance(route, APIRoute) and route.include_in_schema:
                    _correct_responses(document["paths"], route)
            document["components"]["examples"] = _share_error_examples(document["paths"])
            for operation in (one for path in document["paths"].values() for one in path.values()):
                for parameter in operation.get("parameters", ()):
                    _strip_null(parameter["schema"])
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _correct_responses(paths: dict[str, Any], route: APIRoute) -> None:
    """Restore the declared responses of a route: FastAPI strips nulls from examples and adds a 422 response."""
    for method in route.methods or ():
        documented = paths[route.path_format][method.lower()]["responses"]
        if 422 not in route.responses:
            documented.pop("422", None)
        for status, response in route.responses.items():
            for media_type, content in response.get("content", {}).items():
                examples = {name: content[name] for name in ("example", "examples") if name in content}
                documented[str(status)]["content"][media_type].update(examples)


def _share_error_examples(paths: dict[str, Any]) -> dict[str, Any]:
    """Replace the examples of problem responses by references; returns the examples by slug.

    An example that differs from the first one of the same slug remains in its response.
    """
    shared: dict[str, Any] = {}
    for operation in (one for path in paths.values() for one in path.values()):
        for response in operation["responses"].values():
            content = response.get("content", {}).get(PROBLEM_MEDIA_TYPE, {})
            examples = content.get("examples", {})
            # `examples` belongs to the route, which other apps share: replace it, do not change it.
            if examples:
                content["examples"] = {
                    slug: {"$ref": f"#/components/examples/{slug}"}
                    if shared.setdefault(slug, example) == example
                    else example
                    for slug, example in examples.items()
                }
    return dict(sorted(shared.items()))


def _strip_null(schema: dict[str, Any]) -> None:
    """Remove null from the schema of an optional parameter: a URL cannot hold null, the parameter is omitted."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        schema |= kinds[0]
        del schema["anyOf"]
