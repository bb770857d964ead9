"""Errors of the service itself: not ready, too busy, too late, broken, or no such address."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

from service.errors.base import ProblemError


class NotReadyError(ProblemError):
    """A part that the route needs is not ready, or the process is shutting down."""

    status, slug, title = 503, "not-ready", "Not ready"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1, **fields: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)}, **fields)

    @classmethod
    def example(cls) -> Self:
        return cls("cnn is still being loaded")


class QueueFullError(ProblemError):
    """No place is free in the model's queue."""

    status, slug, title = 429, "queue-full", "The queue is full"

    def __init__(self, model: str, pending: int, retry_after_seconds: float) -> None:
        """`model` is a reference such as `cnn@3`, or what else has the queue; `retry_after_seconds` is how long the
        standing queue takes to drain at its measured rate.
        """
        self.model, _, self.version = model.partition("@")
        milliseconds = max(1, math.ceil(retry_after_seconds * 1000))
        super().__init__(
            f"{pending} images are waiting for {model}: try again in {milliseconds} ms",
            headers={"Retry-After": str(math.ceil(milliseconds / 1000))},
            retry_after_ms=milliseconds,
        )

    @classmethod
    def example(cls) -> Self:
        return cls("cnn@3", 256, 0.64)


class DeadlineExceededError(ProblemError):
    """The request's deadline passed before its answer was ready."""

    status, slug, title = 504, "deadline-exceeded", "The deadline has passed"

    @classmethod
    def example(cls) -> Self:
        return cls("no answer within 10 s")


class InternalServiceError(ProblemError):
    """A defect of the service; the log has the rest under the same request id."""

    status, slug, title = 500, "internal-error", "Something broke in the service"

    def __init__(self) -> None:
        super().__init__("the request failed for a reason of the service's own: its log has it under this request_id")

    @classmethod
    def example(cls) -> Self:
        return cls()


class RouteNotFoundError(ProblemError):
    """No route has this path."""

    status, slug, title = 404, "not-found", "There is nothing at this address"

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing is at {path}: /openapi.json lists every address")

    @classmethod
    def example(cls) -> Self:
        return cls("/predictions")


class MethodNotAllowedError(ProblemError):
    """The path exists, but not for this method."""

    status, slug, title = 405, "method-not-allowed", "The address does not take this method"

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"{path} takes {', '.join(allowed)}, not {method}",
            headers={"Allow": ", ".join(allowed)},
            allowed=list(allowed),
        )

    @classmethod
    def example(cls) -> Self:
        return cls("GET", "/predict", ["POST"])
