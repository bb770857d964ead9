"""Runs of models in idle time, limited to a share of the time of one thread.

They run only while no prediction waits. Under full load the queue of predictions is often empty for a moment,
so the time of these runs is limited too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np

from service.engine.arrays import Pixels
from service.engine.engine import Engine
from service.engine.gradient_model import Pace
from service.engine.loaded_model import ModelVariant
from service.engine.postprocess import Outputs
from service.engine.queue import ModelQueue

MAX_CREDIT_SECONDS = 0.1
"""Limit of the time that is saved up while there is nothing to run."""


class IdleRuns:
    """Short runs of any models; used on the event loop of the engine."""

    def __init__(self, engine: Engine, *, time_share: float) -> None:
        """`time_share` is the share of the time of one thread that the runs may take on average."""
        self._engine = engine
        self._time_share = time_share
        self._paces: WeakKeyDictionary[ModelQueue, Pace] = WeakKeyDictionary()
        self._credit = MAX_CREDIT_SECONDS
        self._credited = time.perf_counter()

    def seconds_to_wait(self) -> float:
        """Time until the next run is allowed, 0 if it is allowed now."""
        now = time.perf_counter()
        self._credit = min(MAX_CREDIT_SECONDS, self._credit + self._time_share * (now - self._credited))
        self._credited = now
        return 0.0 if self._credit > 0 else -self._credit / self._time_share

    async def run(self, served: ModelVariant, images: Sequence[Pixels]) -> Outputs:
        """Run a model on the first of the images, as many as take about as long as a prediction, when none waits."""
        pace = self._paces.setdefault(served.queue, Pace())
        images_NHWC = np.stack(images[: pace.images])
        outputs, seconds = await self._engine.run_background(partial(_timed, served, images_NHWC))
        pace.record(len(images_NHWC), seconds)
        self._credit -= seconds
        return outputs


def _timed(served: ModelVariant, images_NHWC: Pixels) -> tuple[Outputs, float]:
    started = time.perf_counter()
    outputs = served.queue.run(images_NHWC)
    return outputs, time.perf_counter() - started
