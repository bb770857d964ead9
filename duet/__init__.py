"""Public names of Duet: `duet.Client`, its errors and `duet.__version__`, imported lazily on first access."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str

    from duet.client.client import Client
    from duet.client.errors import (
        ClientError,
        ConflictError,
        DeadlineError,
        InvalidRequestError,
        JobTimeoutError,
        NotAllowedError,
        NotFoundError,
        NotReadyError,
        ResponseError,
        TooManyRequestsError,
        UnexpectedResponseError,
        UnreachableError,
    )

__all__ = [
    "Client",
    "ClientError",
    "ConflictError",
    "DeadlineError",
    "InvalidRequestError",
    "JobTimeoutError",
    "NotAllowedError",
    "NotFoundError",
    "NotReadyError",
    "ResponseError",
    "TooManyRequestsError",
    "UnexpectedResponseError",
    "UnreachableError",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from core.release import release

        return release()
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from duet.client import client, errors

    return getattr(client if name == "Client" else errors, name)
