"""Test models as plain functions: the logit of an image is its first pixel."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import numpy as np

from core.repository.graph_records import Calibration
from service.engine.arrays import Floats, Pixels
from service.engine.postprocess import with_postprocessing
from service.engine.queue import Inference, ModelQueue

FAR = 1e9
CALIBRATION = Calibration(temperature=1.0, coverage=0.9, conformal_threshold=0.5, ood_threshold=0.0, ood_flag_rate=0.05)


def first_pixels(images_NHWC: Pixels) -> Floats:
    """Model function: one logit per image, its first pixel."""
    return images_NHWC[:, 0, 0, :1].astype(np.float32)


class GatedModel:
    """Model that records the size of each batch and waits for `gate` before it returns."""

    def __init__(self, *, open_from_the_start: bool = False) -> None:
        self.gate = threading.Event()
        self.batches: list[int] = []
        self._started = threading.Semaphore(0)
        if open_from_the_start:
            self.gate.set()

    def __call__(self, images_NHWC: Pixels) -> Floats:
        self.batches.append(len(images_NHWC))
        self._started.release()
        assert self.gate.wait(30)
        return first_pixels(images_NHWC)

    async def running(self) -> None:
        """Wait until one more run has started."""
        assert await asyncio.to_thread(self._started.acquire, timeout=30)


def images(*values: int) -> Pixels:
    """One image of one pixel for each value."""
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)


def queue(model: Callable[[Pixels], Floats], family: str = "cnn") -> ModelQueue:
    """A queue of the model, with an assumed duration of 10 ms per image."""
    return ModelQueue(family, 1, with_postprocessing(model, CALIBRATION), seconds_per_image=0.01)


def answers(inference: Inference) -> list[float]:
    """The first pixel of each image of a request, as the model received it."""
    answered: list[float] = inference.outputs.logits_NK[:, 0].tolist()
    return answered
