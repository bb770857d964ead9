"""Results of the engine: the timings of a request, and a comparison of several models for one image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from core.images.decode import DecodedImage


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds spent in each stage of one request."""

    decode: float
    queue: float
    inference: float

    def milliseconds(self, started: float) -> dict[str, float]:
        """`timing_ms` of a response that is ready now; `started` is on the clock of `time.perf_counter`."""
        seconds = {"decode": self.decode, "queue": self.queue, "inference": self.inference}
        seconds["total"] = time.perf_counter() - started
        return {stage: round(value * 1000, 3) for stage, value in seconds.items()}


@dataclass(frozen=True)
class Comparison:
    """Predictions of several models for one image and their divergence in bits; `images` are the model inputs."""

    predictions: list[dict[str, Any]]
    agree: bool
    divergence: float
    images: list[DecodedImage]
