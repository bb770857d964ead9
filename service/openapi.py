"""What FastAPI's own OpenAPI document lacks: the schema of problems, and examples that hold a null."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from core.api import ProblemDetails


def install_openapi(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Make `app.openapi()` the whole document, made once, when first asked for; `routers` are those of the app."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
            for route in (route for router in routers for route in router.routes):
                if isinstance(route, APIRoute):
                    _restore_examples(document["paths"], route)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _restore_examples(paths: dict[str, Any], route: APIRoute) -> None:
    """Put a route's examples back as declared: FastAPI strips every null on its way to the document."""
    for method in route.methods or ():
        documented = paths[route.path_format][method.lower()]["responses"]
        for status, response in route.responses.items():
            for media_type, content in response.get("content", {}).items():
                examples = {name: content[name] for name in ("example", "examples") if name in content}
                documented[str(status)]["content"][media_type].update(examples)
