"""OpenAPI error lists of the routes for one model and for one version."""

from __future__ import annotations

from service.errors import (
    InternalServiceError,
    InvalidParametersError,
    NotReadyError,
    ProblemError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
)

MODEL_ERRORS: tuple[type[ProblemError], ...] = (
    UnknownModelError,
    InvalidParametersError,
    InternalServiceError,
    NotReadyError,
)
VERSION_ERRORS: tuple[type[ProblemError], ...] = (*MODEL_ERRORS, UnknownModelVersionError, VersionRefusedError)
