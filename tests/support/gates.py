"""Gates that block model runs, for deterministic tests of concurrent requests."""

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
    """Block every run of a queue's model until `open`; only for models that run in threads."""

    def __init__(self, queue: ModelQueue) -> None:
        self.queue = queue
        self.batches: list[int] = []
        self._held = threading.Semaphore(0)
        self._opened = threading.Event()
        self._real = queue.run
        queue.run = self._run

    async def held(self, runs: int = 1) -> None:
        """Wait until the given number of further runs has started."""
        for _ in range(runs):
            assert await asyncio.to_thread(self._held.acquire, timeout=PATIENCE_S)

    def open(self) -> None:
        """Unblock current and future runs."""
        self._opened.set()

    def _run(self, images_NHWC: Pixels) -> Outputs:
        self.batches.append(len(images_NHWC))
        self._held.release()
        assert self._opened.wait(PATIENCE_S)
        return self._real(images_NHWC)


@contextmanager
def gated(queue: ModelQueue) -> Iterator[Gate]:
    """Install a gate before the queue's model; it opens when the block ends."""
    gate = Gate(queue)
    try:
        yield gate
    finally:
        gate.open()
