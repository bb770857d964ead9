"""Rejected and abandoned requests in the batcher: full queues, deadlines and disconnects free their places."""

from __future__ import annotations

import asyncio
import time

import pytest

from service.engine.batcher import Batcher
from service.engine.queue import Inference, ModelQueue
from service.errors import ClientGoneError, DeadlineExceededError, QueueFullError, problem_of
from tests.service.engine.models import FAR, GatedModel, answers, first_pixels, images, queue
from tests.support.service import until


class Client:
    """Fake connection: counts the calls of `watch`, and disconnects on request."""

    caller = "192.0.2.1"

    def __init__(self) -> None:
        self.watched = 0
        self._futures: list[asyncio.Future[Inference]] = []

    def add(self, future: asyncio.Future[Inference]) -> None:
        self._futures.append(future)

    def watch(self) -> None:
        self.watched += 1

    def hang_up(self) -> None:
        for future in self._futures:
            future.set_exception(ClientGoneError("gone"))


async def until_empty(at: ModelQueue) -> None:
    async def is_empty() -> bool:
        return at.pending == 0

    await until(is_empty)


async def test_full_queue_rejects_with_the_drain_time(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    waiting = batcher.submit(cnn, images(*range(7)), FAR)
    batcher.check_capacity(cnn)
    with pytest.raises(QueueFullError) as raised:
        batcher.submit(cnn, images(1, 2), FAR)
    assert raised.value.fields["retry_after_ms"] == pytest.approx(7 * 10)
    assert problem_of(raised.value).headers["Retry-After"] == "1"
    assert "7 images are waiting for cnn@1" in raised.value.detail
    last = batcher.submit(cnn, images(8), FAR)
    with pytest.raises(QueueFullError):
        batcher.check_capacity(cnn)
    model.gate.set()
    await asyncio.gather(running, waiting, last)


async def test_full_queue_does_not_affect_other_models(batcher: Batcher) -> None:
    model = GatedModel()
    cnn, mlp = queue(model), queue(first_pixels, "mlp")
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    waiting = batcher.submit(cnn, images(*range(8)), FAR)
    with pytest.raises(QueueFullError):
        batcher.check_capacity(cnn)
    batcher.check_capacity(mlp, images=8)
    other = batcher.submit(mlp, images(5), FAR)
    model.gate.set()
    assert answers(await other) == [5]
    await asyncio.gather(running, waiting)


async def test_cancelled_requests_free_places_and_never_run(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    cancelled = [batcher.submit(cnn, images(1, 2), FAR), batcher.submit(cnn, images(*range(6)), FAR)]
    assert cnn.pending == 8
    for future in cancelled:
        future.cancel()
    kept = batcher.submit(cnn, images(*range(8)), FAR)
    assert cnn.pending == 8
    model.gate.set()
    await asyncio.gather(running, kept)
    assert model.batches == [1, 4, 4]
    assert cnn.pending == 0


async def test_places_are_freed_by_the_periodic_sweep(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    cancelled, client = batcher.submit(cnn, images(1, 2), FAR), Client()
    hung_up = batcher.submit(cnn, images(3), FAR, client)
    cancelled.cancel()
    client.hang_up()
    await until_empty(cnn)
    with pytest.raises(ClientGoneError):
        await hung_up
    model.gate.set()
    await running
    assert model.batches == [1]


async def test_cancelling_a_running_request_keeps_its_batch(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    gone, kept = batcher.submit(cnn, images(1), FAR), batcher.submit(cnn, images(2), FAR)
    await model.running()
    gone.cancel()
    model.gate.set()
    assert answers(await kept) == [2]
    assert model.batches == [2]


async def test_request_cancelled_between_batches_stops(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    large = batcher.submit(cnn, images(*range(8)), FAR)
    await model.running()
    large.cancel()
    kept = batcher.submit(cnn, images(9), FAR)
    model.gate.set()
    assert answers(await kept) == [9]
    assert model.batches == [4, 1]
    assert cnn.pending == 0


async def test_queue_works_after_all_requests_are_cancelled(either: Batcher) -> None:
    model = GatedModel(open_from_the_start=True)
    cnn = queue(model)
    gone = [either.submit(cnn, images(i), FAR) for i in range(3)]
    for future in gone:
        future.cancel()
    await until_empty(cnn)
    assert answers(await either.submit(cnn, images(5), FAR)) == [5]
    assert model.batches == [1]


async def test_deadline_applies_while_queued_and_while_running(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    soon = time.perf_counter() + 0.02
    running, waiting = batcher.submit(cnn, images(*range(4)), soon), batcher.submit(cnn, images(1), soon)
    for future in (running, waiting):
        with pytest.raises(DeadlineExceededError):
            await future
    assert cnn.pending == 0
    model.gate.set()
    assert answers(await batcher.submit(cnn, images(3), FAR)) == [3]
    assert model.batches == [4, 1]


async def test_passed_deadline_is_rejected_without_queuing(either: Batcher) -> None:
    cnn = queue(first_pixels)
    with pytest.raises(DeadlineExceededError):
        either.submit(cnn, images(1), time.perf_counter())
    assert cnn.pending == 0
    assert answers(await either.submit(cnn, images(1), FAR)) == [1]


async def test_only_clients_of_slow_requests_are_watched(batcher: Batcher) -> None:
    quick, patient = Client(), Client()
    await batcher.submit(queue(first_pixels), images(1), FAR, quick)
    model = GatedModel()
    cnn = queue(model)
    held = batcher.submit(cnn, images(1), FAR, patient)

    async def is_watched() -> bool:
        return patient.watched > 0

    await until(is_watched)
    assert quick.watched == 0
    model.gate.set()
    assert answers(await held) == [1]
