"""OpenAPI descriptions of image bodies, which the routes read as streams, and of successful responses."""

from __future__ import annotations

from typing import Any

from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DeadlineExceededError,
    InternalServiceError,
    InvalidParametersError,
    MalformedBodyError,
    MethodDoesNotFitError,
    NoGradientError,
    NoImageError,
    NotAcceptableError,
    NotReadyError,
    PrecisionNotPublishedError,
    ProblemError,
    QueueFullError,
    TooManyExplanationsError,
    TooManyFilesError,
    TooManyPixelsError,
    UnknownModelError,
    UnknownModelVersionError,
    UnknownTargetError,
    UnreadableImageError,
    UnsupportedImageFormatError,
    UnsupportedMediaTypeError,
    VersionRefusedError,
    WrongFieldError,
)
from service.http.request_body import FIELD

IMAGE_ERRORS: tuple[type[ProblemError], ...] = (
    MalformedBodyError,
    UnknownModelError,
    UnknownModelVersionError,
    BodyTimeoutError,
    PrecisionNotPublishedError,
    VersionRefusedError,
    BodyTooLargeError,
    UnsupportedMediaTypeError,
    UnsupportedImageFormatError,
    InvalidParametersError,
    WrongFieldError,
    NoImageError,
    TooManyFilesError,
    UnreadableImageError,
    TooManyPixelsError,
    QueueFullError,
    InternalServiceError,
    NotReadyError,
    DeadlineExceededError,
)
"""Errors of all routes that take images."""

EXPLANATION_ERRORS: tuple[type[ProblemError], ...] = (
    NoGradientError,
    UnknownTargetError,
    MethodDoesNotFitError,
    TooManyExplanationsError,
    NotAcceptableError,
)
"""Additional errors of the routes that make explanations."""

_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


def image_body(*, many: bool) -> dict[str, Any]:
    """OpenAPI `requestBody` of a route that takes one image, or several if `many`."""
    files = {"type": "array", "items": _BINARY, "minItems": 1} if many else _BINARY
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: files}, "additionalProperties": False}
    return {
        "requestBody": {
            "required": True,
            "description": "PNG, JPEG, WebP, GIF, BMP or TIFF: as files of a form or as the body",
            "content": {
                "multipart/form-data": {"schema": form},
                "image/*": {"schema": _BINARY},
                "application/octet-stream": {"schema": _BINARY},
            },
        }
    }


def success(example: Any, description: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` entry of a successful JSON response with its example."""
    return {200: {"description": description, "content": {"application/json": {"example": example}}}}
