"""Limits of a caller: requests per second as a token bucket, and concurrent requests."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from core.schemas.keys import KeyLimits
from service.errors import CallerLimitError

BURST_SECONDS = 1.0
"""A caller that has paused may send the requests of this time at once, and at least one."""

MAX_CALLERS = 4096
_RETRY_SECONDS = 0.1
"""Advice after too many concurrent requests; the time of their end is not known."""


class CallerLimits:
    """Requests of the callers of one process; forgets the least recent of more than MAX_CALLERS callers.

    Args:
        defaults: limits of callers without limits of their own.
        now: clock in seconds.
    """

    def __init__(self, defaults: KeyLimits, now: Callable[[], float] = time.monotonic) -> None:
        self._defaults = defaults
        self._now = now
        self._running: Counter[str] = Counter()
        self._due: OrderedDict[str, float] = OrderedDict()
        """Time at which the bucket of a caller is full again."""

    def admit(self, caller: str, limits: KeyLimits) -> None:
        """Take a token for a request before its body is read.

        Args:
            caller: id of a key, or a network address.
            limits: of the caller.

        Raises:
            CallerLimitError: a limit is reached.
        """
        self._check_concurrent(caller, limits)
        rate = limits.requests_per_second or self._defaults.requests_per_second
        if rate is not None:
            self._take(caller, rate)

    def enter(self, caller: str, limits: KeyLimits) -> None:
        """Count an admitted request as running until `leave`.

        Raises:
            CallerLimitError: too many requests of the caller run; this one is not counted.
        """
        self._check_concurrent(caller, limits)
        self._running[caller] += 1

    def leave(self, caller: str) -> None:
        """Count the end of a request."""
        self._running[caller] -= 1
        if self._running[caller] <= 0:
            del self._running[caller]

    def _check_concurrent(self, caller: str, limits: KeyLimits) -> None:
        limit = limits.concurrent_requests or self._defaults.concurrent_requests
        if limit is not None and self._running[caller] >= limit:
            raise CallerLimitError("concurrent_requests", limit, _RETRY_SECONDS)

    def _take(self, caller: str, rate: float) -> None:
        """Take a token: the generic cell rate algorithm."""
        now = self._now()
        due = max(self._due.get(caller, now), now)
        wait = due - now - max(BURST_SECONDS, 1 / rate) + 1 / rate
        if wait > 1e-9:
            raise CallerLimitError("requests_per_second", rate, wait)
        self._due[caller] = due + 1 / rate
        self._due.move_to_end(caller)
        if len(self._due) > MAX_CALLERS:
            self._due.popitem(last=False)
