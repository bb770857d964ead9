"""Exception handlers: errors to problem+json responses (RFC 9457), or to errors of the Open Inference Protocol."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from core.errors import DuetError, JobError, RepositoryError
from service.errors import (
    PROBLEM_MEDIA_TYPE,
    PROBLEMS,
    InternalServiceError,
    InvalidParametersError,
    MethodNotAllowedError,
    NotReadyError,
    Problem,
    ProblemError,
    QueueFullError,
    RouteNotFoundError,
    problem_of,
)
from service.errors.hidden_paths import hide_paths
from service.openinference.errors import error_response, speaks_protocol
from service.settings import Settings

log = logging.getLogger("duet.service")


def install_problem_handlers(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Install handlers for problems, invalid parameters, unknown routes and methods, and repository errors.

    `routers` are those of the app, needed for the Allow header: an app does not list the routes of its routers.
    """
    all_routers = (app.router, *routers)

    async def routing_error(request: Request, error: Exception) -> Response:
        """Handle 404 and 405 of the router."""
        assert isinstance(error, HTTPException)  # noqa: S101  registered for this type
        path = request.url.path
        if error.status_code == 404:
            return await _problem(request, RouteNotFoundError(path))
        if error.status_code == 405:
            return await _problem(request, MethodNotAllowedError(request.method, path, _methods(request, all_routers)))
        return await _problem(request, InternalServiceError())

    for kind in (ProblemError, RepositoryError, JobError, *PROBLEMS):
        app.add_exception_handler(kind, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, routing_error)


def problem_response(problem: Problem, request_id: str, path: str) -> Response:
    """The response for a problem of a request for `path`."""
    if speaks_protocol(path):
        return error_response(problem)
    return Response(
        orjson.dumps(problem.body(request_id)),
        status_code=problem.type.status,
        headers=problem.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def problem_for(error: DuetError, scope: Mapping[str, Any]) -> Response:
    """The response for an error of the request with this scope; the error is counted in the metrics."""
    if isinstance(error, RepositoryError) and type(error) not in PROBLEMS:
        # A repository that cannot be read, or that changed during the request: try again, or an operator has to act.
        log.error("the repository cannot be read: %s", error)
        error = NotReadyError(str(error))
    state = scope["state"]
    problem = _public(problem_of(error), state["settings"])
    state["metrics"].observe_problem(problem.type.slug, *_version_of(error, state))
    return problem_response(problem, state["context"].id, scope["path"])


def _public(problem: Problem, settings: Settings) -> Problem:
    """The problem without paths of the server."""
    folders = settings.folders
    return replace(problem, detail=hide_paths(problem.detail, **folders), fields=hide_paths(problem.fields, **folders))


def _version_of(error: DuetError, state: Mapping[str, Any]) -> tuple[str, str]:
    """Model and version of the request, if they are known yet."""
    if isinstance(error, QueueFullError):
        return error.model, error.version
    served = state.get("served")
    return (served.family, str(served.version)) if served is not None else ("", "")


def invalid_parameters(errors: Iterable[Mapping[str, Any]]) -> InvalidParametersError:
    """The problem for pydantic's errors."""
    return InvalidParametersError([_named(entry) for entry in errors])


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, DuetError)  # noqa: S101  registered for this type
    return problem_for(error, request.scope)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as above
    return await _problem(request, invalid_parameters(error.errors()))


def _methods(request: Request, routers: Sequence[APIRouter]) -> list[str]:
    """All methods of the path; the router only reports those of the first matching route."""
    routes = [route for router in routers for route in router.routes if isinstance(route, Route)]
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    # /datasets/cifar10 is also a path of /datasets/{name}; hidden routes only refuse a method.
    found = [route for route in found if route.include_in_schema] or found
    found = [route for route in found if route.path == request.url.path] or found
    allowed = {method for route in found for method in route.methods or ()}
    return sorted(allowed | {"HEAD"} if "GET" in allowed else allowed)


def _named(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Parameter name and message of one of pydantic's errors."""
    location = [str(part) for part in entry["loc"] if part not in ("query", "path", "header")]
    message = "unknown parameter" if entry["type"] == "extra_forbidden" else str(entry["msg"])
    message = message.removeprefix("Value error, ")
    return ".".join(location), message
