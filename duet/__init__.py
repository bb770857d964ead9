"""What users import: `from duet import Client`. Everything is loaded when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duet.client import Client
    from duet.client_errors import (
        AnswerError,
        BusyError,
        ClientError,
        ConflictError,
        DeadlineError,
        InvalidRequestError,
        NotFoundError,
        NotReadyError,
        UnreachableError,
    )

__all__ = [
    "AnswerError",
    "BusyError",
    "Client",
    "ClientError",
    "ConflictError",
    "DeadlineError",
    "InvalidRequestError",
    "NotFoundError",
    "NotReadyError",
    "UnreachableError",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from duet import client, client_errors

    return getattr(client if name == "Client" else client_errors, name)
