"""/session: a browser trades its key for a cookie, because an EventSource can send no headers of its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.schemas.api import SessionAnswer
from service.api.common.openapi_bodies import success
from service.errors import (
    CrossOriginError,
    HostNotAllowedError,
    InternalServiceError,
    KeyRefusedError,
    KeyRequiredError,
    responses,
)
from service.security.dependencies import AuthenticatorDep, CookieSession, PresentedKey
from service.security.origins import check_same_origin, is_secure
from service.security.sessions import COOKIE, SESSION_SECONDS, begin, token

router = APIRouter(prefix="/session", tags=["session"])
NOBODY = SessionAnswer(scopes=(), expires_at=None)
_KEY_OR_NONE: Any = {"security": [{}]}
"""OpenAPI additions of a route that answers without a key as well."""
_EXAMPLE: Any = SessionAnswer(
    scopes=("jobs", "admin"), expires_at=datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
).model_dump(mode="json")


@router.post(
    "",
    responses={
        **success(_EXAMPLE, f"What the key may do; the cookie `{COOKIE}` stands for it from now on"),
        **responses(KeyRequiredError, KeyRefusedError, HostNotAllowedError, InternalServiceError),
    },
)
async def begin_session(
    request: Request, response: Response, key: PresentedKey, gate: AuthenticatorDep
) -> SessionAnswer:
    """Trade a key for a cookie that no script can read and no other site can send; it lasts for 12 hours."""
    gate.check_host(request.headers)
    if key is None:
        raise KeyRequiredError
    found = gate.keyring.find(key)
    if found is None:
        raise KeyRefusedError.wrong_key()
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
        **success(_EXAMPLE, "What the key or the cookie that came with the request may do; nothing without"),
        **responses(KeyRefusedError, InternalServiceError),
    },
    openapi_extra=_KEY_OR_NONE,
)
async def get_session(key: PresentedKey, cookie: CookieSession, gate: AuthenticatorDep) -> SessionAnswer:
    """Say what the one who asks may do, so that a page can show a form or ask for the key."""
    if key is not None:
        found = gate.keyring.find(key)
        if found is None:
            raise KeyRefusedError.wrong_key()
        return SessionAnswer(scopes=found.scopes, expires_at=None)
    session = gate.session(cookie) if cookie is not None else None
    return NOBODY if session is None else SessionAnswer(scopes=session.key.scopes, expires_at=session.expires_at)


@router.delete(
    "",
    responses={
        **success(NOBODY.model_dump(mode="json"), "The browser has been told to forget the cookie"),
        **responses(HostNotAllowedError, CrossOriginError, InternalServiceError),
    },
    openapi_extra=_KEY_OR_NONE,
)
async def end_session(
    request: Request, response: Response, cookie: CookieSession, gate: AuthenticatorDep
) -> SessionAnswer:
    """Take the cookie out of the browser; no error where there is none."""
    gate.check_host(request.headers)
    if cookie is not None:
        check_same_origin(request.headers)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=is_secure(request.headers))
    return NOBODY
