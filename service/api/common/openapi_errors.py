"""How requests about one model and about one of its versions can end, for the routes that document it."""

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
