"""How large a run may be that a prediction might have to wait for."""

from __future__ import annotations

RUN_SECONDS = 0.004
"""What one run of an explanation should take: about as long as a prediction itself."""
MAX_IMAGES = 8


class Pace:
    """Images per run, from how long the latest one took: one where the model is slow, at most 8 where it is quick."""

    def __init__(self) -> None:
        self.images = 1

    def record(self, images: int, seconds: float) -> None:
        """A run of so many images took so long."""
        self.images = max(1, min(MAX_IMAGES, int(images * RUN_SECONDS / max(seconds, 1e-9))))
