"""How OpenAPI describes the bodies that hold images; the routes read them as streams, not as parameters."""

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
from service.http.multipart import FIELD

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
"""What every route that takes images can answer besides success."""

EXPLANATION_ERRORS: tuple[type[ProblemError], ...] = (
    NoGradientError,
    UnknownTargetError,
    MethodDoesNotFitError,
    TooManyExplanationsError,
    NotAcceptableError,
)
"""What those that explain can answer besides."""

_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


def image_body(*, many: bool) -> dict[str, Any]:
    """OpenAPI additions of a route that takes one image, or one or many."""
    files = {"type": "array", "items": _BINARY, "minItems": 1} if many else _BINARY
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: files}, "additionalProperties": False}
    return {
        "requestBody": {
            "required": True,
            "description": "PNG, JPEG, WebP, GIF, BMP or TIFF, as a form's files or as the body itself",
            "content": {
                "multipart/form-data": {"schema": form},
                "image/*": {"schema": _BINARY},
                "application/octet-stream": {"schema": _BINARY},
            },
        }
    }


def success(example: Any, description: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of success, with its example as plain JSON data."""
    return {200: {"description": description, "content": {"application/json": {"example": example}}}}
