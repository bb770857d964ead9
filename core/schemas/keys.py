"""API schemas of API keys: their limits, the keys that are stored, and requests to add and rotate them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from core.schemas.api import ResponseModel
from core.strict_model import StrictModel
from core.text_pattern import TextPattern

KeyScope = Literal["predict", "feedback", "jobs", "admin"]
KEY_NAME_RULE = "the name of a key has 1 to 64 letters, digits, dots, - and _, starting with a letter or digit"
MAX_OVERLAP_HOURS = 24 * 366.0

KeyName = Annotated[str, TextPattern(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", KEY_NAME_RULE)]


class KeyLimits(StrictModel):
    """Limits of one caller; null stands for the limit of the settings or of the service."""

    requests_per_second: float | None = Field(
        None, gt=0, le=1e6, strict=True, description="predictions and explanations per second and API process"
    )
    concurrent_requests: int | None = Field(
        None, ge=1, le=1_000_000, strict=True, description="simultaneous predictions and explanations per API process"
    )
    dataset_bytes: int | None = Field(
        None,
        ge=0,
        le=2**53 - 1,
        strict=True,
        description="bytes of the images that the key has uploaded and that are still stored",
    )
    queued_jobs: int | None = Field(
        None, ge=0, le=1_000_000, strict=True, description="jobs of the key that wait for a worker"
    )


class KeyInfo(ResponseModel):
    """A stored key without its secret."""

    id: str = Field(description="public id, which stays the same when the key is rotated")
    name: str
    scope: KeyScope = Field(description="highest scope; it includes the lower ones")
    created: datetime
    expires: datetime | None = Field(description="time from which the key is refused; null for never")
    rotated: datetime | None = Field(description="time of the last rotation")
    old_secret_expires: datetime | None = Field(description="end of the overlap of the last rotation")
    limits: KeyLimits


class KeyList(ResponseModel):
    """Response of GET /keys."""

    keys: tuple[KeyInfo, ...] = Field(description="oldest first; keys of DUET_API_KEYS are not listed")


class KeyWithSecret(ResponseModel):
    """Response of POST /keys and POST /keys/{key}/rotate."""

    key: KeyInfo
    secret: str = Field(description="the key to send in X-API-Key; it is not shown again")


class KeyRequest(StrictModel):
    """Body of POST /keys."""

    name: KeyName
    scope: KeyScope = Field(description="highest scope; it includes the lower ones")
    expires: AwareDatetime | None = Field(None, description="time from which the key is refused; null for never")
    limits: KeyLimits = KeyLimits()


class RotateRequest(StrictModel):
    """Body of POST /keys/{key}/rotate."""

    overlap_hours: float = Field(
        0.0, ge=0, le=MAX_OVERLAP_HOURS, strict=True, description="time for which the old secret stays valid"
    )
