"""Turns every exception a route can raise into one answer: problem+json, or what the Open Inference Protocol has."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
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
from service.openinference.errors import error_response, speaks_protocol

log = logging.getLogger("duet.service")


def install_problem_handlers(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Answer problems, invalid parameters and unknown routes of `app` as RFC 9457, or the path's protocol, has it.

    `routers` are those of the app: what a path takes is looked up there, and among the app's own routes.
    """
    # Of what is included in it, an app does not list the routes.
    places = (app.router, *routers)

    async def routing(request: Request, error: Exception) -> Response:
        """What the router itself raises: 404 and 405."""
        assert isinstance(error, HTTPException)  # noqa: S101  what it is registered for
        path = request.url.path
        if error.status_code == 404:
            return await _problem(request, RouteNotFoundError(path))
        if error.status_code == 405:
            return await _problem(request, MethodNotAllowedError(request.method, path, _methods(request, places)))
        return await _problem(request, InternalServiceError())

    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, routing)
    app.add_exception_handler(RepositoryError, _problem)
    app.add_exception_handler(JobError, _problem)


def problem_response(problem: Problem, request_id: str, path: str) -> Response:
    """The answer that a problem makes of a request for `path`."""
    if speaks_protocol(path):
        return error_response(problem)
    return Response(
        orjson.dumps(problem.body(request_id)),
        status_code=problem.type.status,
        headers=problem.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def answer_to(error: DuetError, scope: Mapping[str, Any]) -> Response:
    """The answer to an error of the request with this scope, counted."""
    if isinstance(error, RepositoryError) and type(error) not in PROBLEMS:
        # It cannot be read, or changed under the request: both pass, or an operator has to act.
        log.error("the repository cannot be read: %s", error)
        error = NotReadyError(str(error))
    state = scope["state"]
    problem = problem_of(error)
    state["metrics"].observe_problem(problem.type.slug, *_version_of(error, state))
    return problem_response(problem, state["context"].id, scope["path"])


def _version_of(error: DuetError, state: Mapping[str, Any]) -> tuple[str, str]:
    """Model and version that the request was for, where it got as far as finding them."""
    if isinstance(error, QueueFullError):
        return error.model, error.version
    served = state.get("served")
    return (served.family, str(served.version)) if served is not None else ("", "")


def invalid_parameters(errors: Iterable[Mapping[str, Any]]) -> InvalidParametersError:
    """The problem that pydantic's errors about a query make."""
    return InvalidParametersError([_named(entry) for entry in errors])


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, DuetError)  # noqa: S101  what it is registered for
    return answer_to(error, request.scope)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as above
    return await _problem(request, invalid_parameters(error.errors()))


def _methods(request: Request, routers: Sequence[APIRouter]) -> list[str]:
    """All that the path takes; the router itself names those of the first route that has it."""
    routes = [route for router in routers for route in router.routes if isinstance(route, Route)]
    found = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for methods in found for method in methods})


def _named(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Name of the parameter and what is wrong with it, of one of pydantic's errors."""
    location = [str(part) for part in entry["loc"] if part not in ("query", "path", "header")]
    message = "there is no such parameter" if entry["type"] == "extra_forbidden" else str(entry["msg"])
    message = message.removeprefix("Value error, ")
    return ".".join(location), message
