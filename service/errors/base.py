"""Base classes of the API errors, and errors of the service itself: not ready, overloaded, unknown path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import DuetError
from core.images.limits import megapixels


class ProblemError(DuetError):
    """An error that the API reports to the client.

    Attributes:
        detail: the sentence for this request.
        headers: response headers that depend on the request.
    """

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(detail, **fields)
        self.detail = detail
        self.headers = dict(headers or {})


class TooManyRequestsError(ProblemError):
    """A limit on concurrent or queued work is reached for the moment.

    Attributes:
        retry_after_ms: estimate of when a place is free, at least 1 ms.
    """

    def __init__(self, reason: str, retry_after_seconds: float) -> None:
        self.retry_after_ms = max(1, math.ceil(retry_after_seconds * 1000))
        super().__init__(f"{reason}: try again in {self.retry_after_ms} ms", retry_after_ms=self.retry_after_ms)


class NotReadyError(ProblemError):
    """A component that the route needs is not ready, or the process is shutting down."""

    def __init__(self, detail: str, **fields: Any) -> None:
        super().__init__(detail, headers={"Retry-After": "1"}, **fields)


class QueueFullError(TooManyRequestsError):
    """The queue of the model is full."""

    def __init__(self, model: str, pending: int, retry_after_seconds: float) -> None:
        """`model` is a reference such as `cnn@3`, or another owner of a queue; `retry_after_seconds` is the time that
        the queue takes to drain at its measured rate.
        """
        self.model, _, self.version = model.partition("@")
        super().__init__(f"{pending} images are waiting for {model}", retry_after_seconds)


class TooManyPixelsWaitingError(TooManyRequestsError):
    """The images of all clients that wait for decoding have too many pixels."""

    def __init__(self, pixels: int, limit: int, retry_after_seconds: float) -> None:
        """`pixels` is the number of pixels that are being decoded or wait; `limit` is their maximum."""
        super().__init__(
            f"images of {megapixels(pixels)} are waiting for decoding, the limit of the service is {megapixels(limit)}",
            retry_after_seconds,
        )
        self.fields["limit_pixels"] = limit


class DeadlineExceededError(ProblemError):
    """The request's deadline passed before the response was ready."""


class InternalServiceError(ProblemError):
    """A bug of the service; the log has the traceback under the same request id."""

    def __init__(self) -> None:
        super().__init__("the request failed because of an internal error: see this request_id in the service's log")


class RouteNotFoundError(ProblemError):
    """No route has this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no route has the path {path}: /openapi.json lists all paths")


class MethodNotAllowedError(ProblemError):
    """The path exists, but not for this method."""

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"{path} does not support {method}: use {' or '.join(allowed)}",
            headers={"Allow": ", ".join(allowed)},
            allowed=list(allowed),
        )
