"""Models that wait: what the service does meanwhile is then no matter of time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.engine.arrays import Pixels
from service.engine.postprocess import Outputs
from service.engine.queue import ModelQueue

PATIENCE_S = 60.0


class Gate:
    """Holds every run of a queue's model back until it is opened; of no use where models run on the event loop."""

    def __init__(self, queue: ModelQueue) -> None:
        self.queue = queue
        self.batches: list[int] = []
        self._held = threading.Semaphore(0)
        self._opened = threading.Event()
        self._real = queue.run
        queue.run = self._run

    async def held(self, runs: int = 1) -> None:
        """Until so many more runs have begun."""
        for _ in range(runs):
            assert await asyncio.to_thread(self._held.acquire, timeout=PATIENCE_S)

    def open(self) -> None:
        """Let all runs go on, now and from now on."""
        self._opened.set()

    def _run(self, images_NHWC: Pixels) -> Outputs:
        self.batches.append(len(images_NHWC))
        self._held.release()
        assert self._opened.wait(PATIENCE_S)
        return self._real(images_NHWC)


@contextmanager
def gated(queue: ModelQueue) -> Iterator[Gate]:
    """A gate before the queue's model, open at the latest when the block ends."""
    gate = Gate(queue)
    try:
        yield gate
    finally:
        gate.open()
