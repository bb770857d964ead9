"""Fair share of the models between callers: start-time fair queueing over the time that models run for them.

Every caller has a virtual time, the model time that it has received. The caller with the lowest one is served next. A
caller that was idle continues at most CREDIT_SECONDS behind the virtual time of the service: a caller that uses less
than its share goes first, but cannot save up its share. See Goyal, Vin and Cheng, "Start-time Fair Queueing"
(SIGCOMM 1996), which gives no credit.

While several callers are active, one of them may add only a few images to a batch, and none if it has received much
more than the others. Otherwise a request would wait for a whole batch of another caller, which takes up to a hundred
times as long as its own image.
"""

from __future__ import annotations

import math

TURN_SECONDS = 0.002
"""Model time that one caller may have in a batch while others are active; a batch always has one image of it."""

SHARED_SECONDS = 5.0
"""Time after a request of another caller during which batches stay short."""

CREDIT_SECONDS = 0.5
"""Model time that a caller may receive before the others after it was idle. A burst of a caller that uses less than its
share should fit into it: otherwise a part of the burst waits for images of the others."""

MAX_IDLE_CALLERS = 1024


class FairShare:
    """Model time of the callers of one process.

    A caller is the id of an API key, or a network address. Times are seconds.
    """

    def __init__(self) -> None:
        self._virtual = 0.0
        self._next = 0.0
        self._received: dict[str, float] = {}
        self._last: str | None = None
        self._shared_until = -math.inf

    def arrive(self, caller: str, now: float) -> None:
        """Count a request of a caller; `now` is on a monotonic clock."""
        if caller != self._last:
            if self._last is not None:
                self._shared_until = now + SHARED_SECONDS
            self._last = caller
        earliest = self._virtual - CREDIT_SECONDS
        if self._received.get(caller, -math.inf) < earliest:
            self._received[caller] = earliest

    def virtual_time(self, caller: str) -> float:
        """Virtual time of a caller with a waiting request; the lowest is served next."""
        return self._received[caller]

    def is_shared(self, now: float) -> bool:
        """Return whether several callers are active."""
        return now < self._shared_until

    def images_per_turn(self, seconds_per_image: float, max_images: int, now: float) -> int:
        """Maximum number of images of one caller in the next batch."""
        if not self.is_shared(now):
            return max_images
        return min(max_images, max(1, int(TURN_SECONDS / seconds_per_image)))

    def advance(self, caller: str) -> None:
        """Move the virtual time of the service on to that of the next caller, the lowest of all waiting ones."""
        self._next = self._received[caller]
        self._virtual = max(self._virtual, self._next)
        if len(self._received) > MAX_IDLE_CALLERS:
            earliest = self._virtual - CREDIT_SECONDS
            self._received = {name: at for name, at in self._received.items() if at >= earliest}

    def is_ahead(self, caller: str) -> bool:
        """Return whether the caller has received so much more than the next one that they do not share a batch."""
        return self._received[caller] > self._next + TURN_SECONDS

    def charge(self, caller: str, seconds: float) -> None:
        """Add model time to a caller."""
        self._received[caller] += seconds
