"""FastAPI dependencies of the routes: `state: StateDep`, `catalog: CatalogDep`, `caller: JobsCaller`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from service.errors import (
    CrossOriginError,
    HostNotAllowedError,
    JobsNotConfiguredError,
    KeyRefusedError,
    KeyRequiredError,
    ProblemError,
    ScopeRequiredError,
    TooManyEvaluationsError,
    TooManyWrongKeysError,
)
from service.http.callers import address_of
from service.jobs.service import JobService
from service.models.catalog import ModelCatalog
from service.security.caller import Caller
from service.security.keys import Scope
from service.security.sessions import COOKIE
from service.state import RequestState, state_of

CALLER_ERRORS: tuple[type[ProblemError], ...] = (
    KeyRequiredError,
    KeyRefusedError,
    TooManyWrongKeysError,
    ScopeRequiredError,
    HostNotAllowedError,
    CrossOriginError,
)
"""Errors of every route with a caller."""

_WHERE = "one of DUET_API_KEYS, or the generated one that `duet key` shows"
_HEADER = APIKeyHeader(name="X-API-Key", scheme_name="key", description=_WHERE, auto_error=False)
_BEARER = HTTPBearer(scheme_name="bearer", description=f"as `key`: {_WHERE}", auto_error=False)
_COOKIE = APIKeyCookie(
    name=COOKIE, scheme_name="session", description="session cookie, set by POST /session", auto_error=False
)

HeaderKey = Annotated[str | None, Security(_HEADER)]
BearerKey = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
CookieSession = Annotated[str | None, Security(_COOKIE)]


OPTIONAL_KEY: dict[str, Any] = {"security": [{}, {"key": []}, {"bearer": []}, {"session": []}]}
"""OpenAPI fragment of routes for predictions and explanations, which need a key only if the settings say so."""
MAX_EVALUATIONS = 220
"""Limit of model evaluations of a request without a key; they take about a second of one core for the shipped `cnn`."""


async def check_evaluations(request: Request, evaluations: int) -> None:
    """Limit the model evaluations of a request without a key; a request with any valid key has no such limit.

    Raises:
        TooManyEvaluationsError: the request needs more than MAX_EVALUATIONS and has no key.
        KeyRefusedError, TooManyWrongKeysError, CrossOriginError: see `Authenticator.caller`.
    """
    if evaluations <= MAX_EVALUATIONS:
        return
    key = await _presented(await _HEADER(request), await _BEARER(request))
    authenticator = state_of(request)["authenticator"]
    caller = await authenticator.caller(request.headers, key, await _COOKIE(request), address_of(request.scope))
    if caller is None:
        raise TooManyEvaluationsError(evaluations, MAX_EVALUATIONS)


async def _state(request: Request) -> RequestState:
    return state_of(request)


async def _catalog(request: Request) -> ModelCatalog:
    models = state_of(request)["engine"].models
    return ModelCatalog(state_of(request)["repository"], models.refusal, models.providers)


async def _job_service(request: Request) -> JobService:
    job_service = state_of(request)["jobs"]
    if job_service is None:
        raise JobsNotConfiguredError
    return job_service


async def _presented(header: HeaderKey, bearer: BearerKey) -> str | None:
    if header is not None:
        return header
    return bearer.credentials if bearer is not None else None


StateDep = Annotated[RequestState, Depends(_state)]
CatalogDep = Annotated[ModelCatalog, Depends(_catalog)]
JobServiceDep = Annotated[JobService, Depends(_job_service)]
PresentedKey = Annotated[str | None, Depends(_presented)]


def _needs(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    async def check(request: Request, state: StateDep, key: PresentedKey, cookie: CookieSession) -> Caller:
        caller = await state["authenticator"].caller(request.headers, key, cookie, address_of(request.scope))
        if caller is None:
            raise KeyRequiredError
        if scope not in caller.scopes:
            raise ScopeRequiredError(scope, caller.scopes)
        return caller

    return check


FeedbackCaller = Annotated[Caller, Depends(_needs("feedback"))]
"""Caller with scope `feedback`: may send true labels of captured images."""

JobsCaller = Annotated[Caller, Depends(_needs("jobs"))]
"""Caller with scope `jobs`: may also start, cancel and retry jobs, upload data, and label captured images."""

AdminCaller = Annotated[Caller, Depends(_needs("admin"))]
"""Caller with scope `admin`: may also promote, roll back, archive and delete."""
