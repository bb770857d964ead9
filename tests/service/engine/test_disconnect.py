"""Requests that are refused or given up: full queues, deadlines, clients that go. Their places become free."""

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
    """Stands for a connection: counts how often it is watched, and hangs up when told to."""

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


async def test_a_full_queue_refuses_with_the_time_it_takes_to_drain(batcher: Batcher) -> None:
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


async def test_a_full_queue_of_one_model_leaves_the_others_theirs(batcher: Batcher) -> None:
    model = GatedModel()
    cnn, mlp = queue(model), queue(first_pixels, "mlp")
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    waiting = batcher.submit(cnn, images(*range(8)), FAR)
    with pytest.raises(QueueFullError):
        batcher.check_capacity(cnn)
    batcher.check_capacity(mlp, 8)
    other = batcher.submit(mlp, images(5), FAR)
    model.gate.set()
    assert answers(await other) == [5]
    await asyncio.gather(running, waiting)


async def test_cancelled_requests_free_their_places_at_once_and_never_run(batcher: Batcher) -> None:
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


async def test_places_become_free_though_nobody_asks_for_them(batcher: Batcher) -> None:
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


async def test_cancelling_what_runs_spoils_nothing_for_its_neighbors(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    gone, kept = batcher.submit(cnn, images(1), FAR), batcher.submit(cnn, images(2), FAR)
    await model.running()
    gone.cancel()
    model.gate.set()
    assert answers(await kept) == [2]
    assert model.batches == [2]


async def test_a_request_given_up_between_its_batches_runs_no_further(batcher: Batcher) -> None:
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


async def test_everyone_gone_leaves_a_queue_that_works(either: Batcher) -> None:
    model = GatedModel(open_from_the_start=True)
    cnn = queue(model)
    gone = [either.submit(cnn, images(i), FAR) for i in range(3)]
    for future in gone:
        future.cancel()
    await until_empty(cnn)
    assert answers(await either.submit(cnn, images(5), FAR)) == [5]
    assert model.batches == [1]


async def test_a_deadline_passes_while_waiting_and_while_running(batcher: Batcher) -> None:
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


async def test_a_deadline_of_now_is_exceeded_and_takes_no_place(either: Batcher) -> None:
    cnn = queue(first_pixels)
    with pytest.raises(DeadlineExceededError):
        either.submit(cnn, images(1), time.perf_counter())
    assert cnn.pending == 0
    assert answers(await either.submit(cnn, images(1), FAR)) == [1]


async def test_only_a_client_that_waits_for_a_while_is_watched(batcher: Batcher) -> None:
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
