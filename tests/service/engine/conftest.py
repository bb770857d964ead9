from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.engine.batcher import Batcher
from tests.service.engine.models import FAR, GatedModel, images, queue


def _batcher(threads: int) -> Batcher:
    return Batcher(threads=threads, max_batch=4, queue_size=8, observe_batch=lambda queue, images: None)


@asynccontextmanager
async def _one_thread_beside_the_loop() -> AsyncIterator[Batcher]:
    made = _batcher(2)
    other = GatedModel()
    taken = made.submit(queue(other, "other"), images(0), FAR)
    await other.running()
    yield made
    other.gate.set()
    await taken
    made.close()


@pytest.fixture
async def batcher() -> AsyncIterator[Batcher]:
    """Two threads, one of them occupied: models run one after the other, and a test can block them."""
    async with _one_thread_beside_the_loop() as made:
        yield made


@pytest.fixture(params=["on a thread", "on the event loop"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[Batcher]:
    """A batcher that runs one batch at a time, on the event loop and on a thread."""
    if request.param == "on a thread":
        async with _one_thread_beside_the_loop() as made:
            yield made
    else:
        made = _batcher(1)
        yield made
        made.close()
