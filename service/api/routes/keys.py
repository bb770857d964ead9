"""/keys: lists, adds, rotates and revokes the stored API keys."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path

from core.errors import ConfigurationError
from core.schemas.keys import KeyInfo, KeyList, KeyRequest, KeyWithSecret, RotateRequest
from core.text_pattern import TextPattern
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, success
from service.api.deps import CALLER_ERRORS, AdminCaller, StateDep
from service.api.examples import load_example
from service.errors import (
    InvalidParametersError,
    KeyNameTakenError,
    KeyStoreError,
    NotReadyError,
    UnknownKeyError,
    responses,
)
from service.security import key_store
from service.security.key_store import NewKey

router = APIRouter(prefix="/keys", tags=["keys"])
log = logging.getLogger("duet.keys")
Result = TypeVar("Result")

_WITH_SECRET = load_example("key_with_secret")
_ERRORS = (*CALLER_ERRORS, KeyStoreError, NotReadyError)

KeyReference = Annotated[
    str,
    TextPattern(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "send the id or the name of a key"),
    Path(description="id or name of the key"),
]


@router.get("", responses={**success({"keys": [_WITH_SECRET["key"]]}, "The stored keys"), **responses(*_ERRORS)})
def list_keys(_: AdminCaller, state: StateDep) -> KeyList:
    """List the stored keys, without their secrets."""
    stored = _changed(lambda: key_store.read_key_file(state["settings"].home))
    return KeyList(keys=tuple(key.info for key in stored.keys))


@router.post(
    "",
    responses={
        **success(_WITH_SECRET, "The new key; its secret is not shown again"),
        **responses(*_ERRORS, *BODY_ERRORS, InvalidParametersError, KeyNameTakenError),
    },
    openapi_extra=json_body(KeyRequest, load_example("key_request")),
)
def add_key(caller: AdminCaller, state: StateDep, body: JsonBody) -> KeyWithSecret:
    """Add a key. All API processes accept it within DUET_POLL_SECONDS."""
    sent = read_body(KeyRequest, body)
    home = state["settings"].home
    new = _changed(lambda: key_store.add_key(home, sent.name, sent.scope, expires=sent.expires, limits=sent.limits))
    return _answer(new, "added", caller, state)


@router.post(
    "/{key}/rotate",
    responses={
        **success(_WITH_SECRET, "The key with a new secret, which is not shown again"),
        **responses(*_ERRORS, *BODY_ERRORS, InvalidParametersError, UnknownKeyError),
    },
    openapi_extra=json_body(RotateRequest, {"overlap_hours": 24}, required=False),
)
def rotate_key(key: KeyReference, caller: AdminCaller, state: StateDep, body: JsonBody) -> KeyWithSecret:
    """Give a key a new secret. The old one stays valid for `overlap_hours`."""
    sent = read_body(RotateRequest, body) if body else RotateRequest()
    home, overlap = state["settings"].home, timedelta(hours=sent.overlap_hours)
    return _answer(_changed(lambda: key_store.rotate_key(home, key, overlap=overlap)), "rotated", caller, state)


@router.delete(
    "/{key}",
    responses={
        **success(_WITH_SECRET["key"], "The revoked key"),
        **responses(*_ERRORS, InvalidParametersError, UnknownKeyError),
    },
)
def revoke_key(key: KeyReference, caller: AdminCaller, state: StateDep) -> KeyInfo:
    """Revoke a key and its sessions. All API processes refuse it within DUET_POLL_SECONDS."""
    revoked = _changed(lambda: key_store.revoke_key(state["settings"].home, key))
    state["authenticator"].source.refresh()
    log.info("%s revoked the key %s (%s)", caller.actor, revoked.name, revoked.id)
    return revoked.info


def _answer(new: NewKey, what: str, caller: AdminCaller, state: StateDep) -> KeyWithSecret:
    state["authenticator"].source.refresh()
    log.info("%s %s the key %s (%s)", caller.actor, what, new.key.name, new.key.id)
    return KeyWithSecret(key=new.key.info, secret=new.secret)


def _changed(call: Callable[[], Result]) -> Result:
    try:
        return call()
    except ConfigurationError as error:
        log.error("%s", error)
        raise KeyStoreError(str(error)) from error
