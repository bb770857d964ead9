"""How fast a queue drains, measured where answers leave it."""

from __future__ import annotations

NEWEST_WEIGHT = 0.2


class DrainRate:
    """Seconds per image of one queue, as an exponentially weighted mean over its batches.

    A batch counts from the moment the one before it ended, or from when its oldest image was queued where that is
    later. So time spent waiting for other models counts, and idle time does not.
    """

    def __init__(self, seconds_per_image: float) -> None:
        self._seconds_per_image = seconds_per_image
        self._last_finish = 0.0

    def record(self, images: int, *, oldest_queued: float, finished: float) -> None:
        """One batch has left; times are of one monotonic clock, in seconds."""
        elapsed = max(0.0, finished - max(self._last_finish, oldest_queued))
        self._last_finish = finished
        self._seconds_per_image += NEWEST_WEIGHT * (elapsed / images - self._seconds_per_image)

    def seconds_for(self, images: int) -> float:
        """Expected time until `images` queued images are answered."""
        return images * self._seconds_per_image
