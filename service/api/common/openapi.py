"""OpenAPI fragments: error lists, image bodies, which the routes read as streams, and successful responses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from core.errors import DuetError, UnknownFamilyError, UnknownVersionError
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    CallerLimitError,
    CrossOriginError,
    DeadlineExceededError,
    InvalidParametersError,
    KeyRefusedError,
    KeyRequiredError,
    MalformedBodyError,
    MethodDoesNotFitError,
    NoGradientError,
    NoImageError,
    NotAcceptableError,
    NotReadyError,
    QueueFullError,
    ScopeRequiredError,
    TooManyEvaluationsError,
    TooManyExplanationsError,
    TooManyFilesError,
    TooManyPixelsError,
    TooManyPixelsWaitingError,
    TooManyWrongKeysError,
    UnknownTargetError,
    UnreadableImageError,
    UnsupportedEncodingError,
    UnsupportedImageFormatError,
    UnsupportedMediaTypeError,
    VersionRefusedError,
    WrongFieldError,
)
from service.http.multipart_images import FIELD

Errors = tuple[type[DuetError], ...]

MODEL_ERRORS: Errors = (UnknownFamilyError, InvalidParametersError, NotReadyError)
VERSION_ERRORS: Errors = (*MODEL_ERRORS, UnknownVersionError, VersionRefusedError)
BODY_ERRORS: Errors = (MalformedBodyError, BodyTimeoutError, BodyTooLargeError, UnsupportedEncodingError)
PREDICTION_CALLER_ERRORS: Errors = (
    KeyRequiredError,
    KeyRefusedError,
    TooManyWrongKeysError,
    ScopeRequiredError,
    CallerLimitError,
)
"""Errors of all routes for predictions and explanations that concern the caller."""

IMAGE_ERRORS: Errors = (
    *PREDICTION_CALLER_ERRORS,
    *VERSION_ERRORS,
    *BODY_ERRORS,
    UnsupportedMediaTypeError,
    UnsupportedImageFormatError,
    WrongFieldError,
    NoImageError,
    TooManyFilesError,
    UnreadableImageError,
    TooManyPixelsError,
    QueueFullError,
    TooManyPixelsWaitingError,
    DeadlineExceededError,
)
"""Errors of all routes that take images."""

EVALUATION_ERRORS: Errors = (TooManyEvaluationsError, CrossOriginError)
"""Additional errors of routes with a limit of evaluations for requests without a key."""

EXPLANATION_ERRORS: Errors = (
    NoGradientError,
    UnknownTargetError,
    MethodDoesNotFitError,
    TooManyExplanationsError,
    *EVALUATION_ERRORS,
    NotAcceptableError,
)
"""Additional errors of the routes that make explanations."""

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
PNG: dict[str, Any] = {"image/png": {"schema": BINARY, "example": "\x89PNG..."}}
FORM: dict[str, Any] = {
    "type": "object",
    "required": [FIELD],
    "properties": {FIELD: {"type": "array", "items": BINARY, "minItems": 1}},
    "additionalProperties": False,
}
"""Schema of a form with files."""


def image_body(*, many: bool) -> dict[str, Any]:
    """OpenAPI `requestBody` of a route that takes one image, or several if `many`."""
    return {
        "requestBody": {
            "required": True,
            "description": "PNG, JPEG, WebP, GIF, BMP or TIFF: as files of a form or as the body",
            "content": {
                "multipart/form-data": {"schema": FORM if many else {**FORM, "properties": {FIELD: BINARY}}},
                "image/*": {"schema": BINARY},
                "application/octet-stream": {"schema": BINARY},
            },
        }
    }


def success(example: Any, description: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` entry of a successful JSON response with its example."""
    return content(description, {"application/json": {"example": example}})


def content(
    description: str, media_types: Mapping[str, Any], headers: Mapping[str, tuple[str, str]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` entry of a successful response.

    Args:
        description: of the response.
        media_types: schema and example of each media type.
        headers: description and example of each text header.
    """
    entry: dict[str, Any] = {"description": description, "content": media_types}
    if headers:
        entry["headers"] = {
            name: {"description": text, "schema": {"type": "string"}, "example": example}
            for name, (text, example) in headers.items()
        }
    return {200: entry}


def summarize(routers: Iterable[APIRouter]) -> None:
    """Give every route a summary for lists of routes: its description up to the first colon, semicolon or period."""
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            paragraph = " ".join(route.description.partition("\n\n")[0].split())
            route.summary = re.split(r"[:;.](?:\s|$)", paragraph)[0].replace("`", "")
