"""/session: exchanges an API key for a cookie, because EventSource in browsers cannot send custom headers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.schemas.api import SessionAnswer
from service.api.common.openapi import success
from service.api.deps import CookieSession, PresentedKey, StateDep
from service.errors import (
    CrossOriginError,
    HostNotAllowedError,
    KeyRefusedError,
    KeyRequiredError,
    TooManyWrongKeysError,
    responses,
)
from service.http.callers import address_of
from service.security.origins import check_same_origin, is_secure
from service.security.sessions import COOKIE, SESSION_SECONDS, begin, token

router = APIRouter(prefix="/session", tags=["session"])
NO_SESSION = SessionAnswer(scopes=(), expires_at=None)
_KEY_OR_NONE: Any = {"security": [{}]}
"""OpenAPI `security` of a route that does not require a key."""
_EXAMPLE: Any = SessionAnswer(
    scopes=("predict", "feedback", "jobs", "admin"), expires_at=datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
).model_dump(mode="json")


@router.post(
    "",
    responses={
        **success(_EXAMPLE, f"The scopes of the key; the cookie `{COOKIE}` has the same scopes"),
        **responses(KeyRequiredError, KeyRefusedError, TooManyWrongKeysError, HostNotAllowedError),
    },
)
async def begin_session(request: Request, response: Response, key: PresentedKey, state: StateDep) -> SessionAnswer:
    """Exchange a key for an HttpOnly, SameSite cookie that is valid for 12 hours."""
    if key is None:
        raise KeyRequiredError
    found = await state["authenticator"].find_key(key, address_of(request.scope))
    session = begin(found, time.time())
    response.set_cookie(
        COOKIE,
        token(session),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=is_secure(request.headers),
    )
    return SessionAnswer(scopes=found.scopes, expires_at=session.expires_at)


@router.get(
    "",
    responses={
        **success(_EXAMPLE, "The scopes of the key or cookie of the request; empty without one"),
        **responses(KeyRefusedError, TooManyWrongKeysError),
    },
    openapi_extra=_KEY_OR_NONE,
)
async def get_session(request: Request, key: PresentedKey, cookie: CookieSession, state: StateDep) -> SessionAnswer:
    """Return the scopes of the caller, so that a page can show a form or ask for a key."""
    if key is not None:
        found = await state["authenticator"].caller_of_key(key, address_of(request.scope))
        return SessionAnswer(scopes=found.scopes, expires_at=None)
    session = state["authenticator"].session(cookie) if cookie is not None else None
    return NO_SESSION if session is None else SessionAnswer(scopes=session.key.scopes, expires_at=session.expires_at)


@router.delete(
    "",
    responses={
        **success(NO_SESSION.model_dump(mode="json"), "The cookie is deleted"),
        **responses(HostNotAllowedError, CrossOriginError),
    },
    openapi_extra=_KEY_OR_NONE,
)
async def end_session(request: Request, response: Response, cookie: CookieSession, state: StateDep) -> SessionAnswer:
    """Delete the cookie in the browser; succeeds without a cookie as well."""
    if cookie is not None:
        check_same_origin(request.headers)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=is_secure(request.headers))
    return NO_SESSION
