"""Base class of the service's exceptions, independent of HTTP; `service.errors.table` maps them to responses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from core.errors import DuetError


class ProblemError(DuetError):
    """An error that the API reports to the client.

    Attributes:
        detail: the sentence for this request.
        fields: further fields of the response body, for programs.
        headers: response headers that depend on the request.
    """

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.fields = fields


class BusyError(ProblemError):
    """A limit on concurrent or queued work is reached for the moment.

    Attributes:
        retry_after_ms: estimate of when a place is free, at least 1 ms.
    """

    def __init__(self, reason: str, retry_after_seconds: float) -> None:
        self.retry_after_ms = max(1, math.ceil(retry_after_seconds * 1000))
        super().__init__(f"{reason}: try again in {self.retry_after_ms} ms", retry_after_ms=self.retry_after_ms)
