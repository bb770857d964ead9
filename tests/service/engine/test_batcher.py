"""Batcher: batch formation and delivery of results."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable

import numpy as np
import pytest

from service.engine.arrays import Floats, Pixels
from service.engine.batcher import Batcher
from tests.service.engine.models import FAR, GatedModel, answers, first_pixels, images, queue


def is_open() -> GatedModel:
    return GatedModel(open_from_the_start=True)


async def test_single_request_runs_immediately(either: Batcher) -> None:
    model = is_open()
    inference = await either.submit(queue(model), images(7), FAR)
    assert answers(inference) == [7]
    assert model.batches == [1]
    assert inference.queue_seconds >= 0
    assert inference.run_seconds > 0


async def test_pending_requests_form_the_next_batches(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = queue(model)
    first = batcher.submit(cnn, images(0), FAR)
    await model.running()
    others = [batcher.submit(cnn, images(i), FAR) for i in range(1, 7)]
    model.gate.set()
    assert [answers(each) for each in await asyncio.gather(first, *others)] == [[i] for i in range(7)]
    assert model.batches == [1, 4, 2]


async def test_requests_of_one_loop_turn_share_a_batch(either: Batcher) -> None:
    model = is_open()
    cnn = queue(model)
    await asyncio.gather(*(either.submit(cnn, images(i), FAR) for i in range(3)))
    assert model.batches == [3]


async def test_large_request_is_split_and_joined_in_order(either: Batcher) -> None:
    model = is_open()
    cnn = queue(model)
    large, small = either.submit(cnn, images(*range(7)), FAR), either.submit(cnn, images(9), FAR)
    assert answers(await large) == [0, 1, 2, 3, 4, 5, 6]
    assert answers(await small) == [9]
    assert model.batches == [4, 4]


async def test_batches_that_finish_out_of_order_are_joined_in_order() -> None:
    second_is_done = threading.Event()

    def slow_on_zero(images_NHWC: Pixels) -> Floats:
        if images_NHWC[0, 0, 0, 0] == 0:
            assert second_is_done.wait(30)
        else:
            second_is_done.set()
        return first_pixels(images_NHWC)

    wide = Batcher(threads=2, max_batch=4, queue_size=8, observe_batch=lambda queue, images: None)
    inference = await wide.submit(queue(slow_on_zero), images(*range(8)), FAR)
    wide.close()
    assert answers(inference) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert inference.outputs.energies == [-float(i) for i in range(8)]


async def test_idle_threads_share_pending_images() -> None:
    wide = Batcher(threads=2, max_batch=32, queue_size=64, observe_batch=lambda queue, images: None)
    model = GatedModel()
    cnn = queue(model)
    waiting = [wide.submit(cnn, images(i), FAR) for i in range(8)]
    await model.running()
    await model.running()
    model.gate.set()
    await asyncio.gather(*waiting)
    wide.close()
    assert sorted(model.batches) == [4, 4]


async def test_one_thread_runs_on_the_event_loop() -> None:
    for threads, is_the_loops in ((1, True), (2, False)):
        ran_on: list[int] = []

        def model(images_NHWC: Pixels, ran_on: list[int] = ran_on) -> Floats:
            ran_on.append(threading.get_ident())
            return first_pixels(images_NHWC)

        made = Batcher(threads=threads, max_batch=4, queue_size=8, observe_batch=lambda queue, images: None)
        await made.submit(queue(model), images(1), FAR)
        made.close()
        assert (ran_on == [threading.get_ident()]) is is_the_loops


async def test_responses_are_sent_between_batches_on_the_loop() -> None:
    order: list[str] = []

    def model(images_NHWC: Pixels) -> Floats:
        order.append(f"run {len(images_NHWC)}")
        return first_pixels(images_NHWC)

    made = Batcher(threads=1, max_batch=2, queue_size=8, observe_batch=lambda queue, images: None)
    cnn = queue(model)

    async def ask(name: str) -> None:
        await made.submit(cnn, images(0, 1), FAR)
        order.append(name)

    await asyncio.gather(ask("first"), ask("second"))
    made.close()
    assert order == ["run 2", "first", "run 2", "second"]


async def test_queues_take_turns(either: Batcher) -> None:
    order: list[str] = []

    def model(name: str) -> Callable[[Pixels], Floats]:
        def run(images_NHWC: Pixels) -> Floats:
            order.append(name)
            return first_pixels(images_NHWC)

        return run

    busy, quiet, other = queue(model("busy")), queue(model("quiet"), "mlp"), queue(model("other"), "pets")
    waiting = [either.submit(busy, images(*range(4)), FAR) for _ in range(2)]
    waiting += [either.submit(quiet, images(1), FAR), either.submit(other, images(*range(8)), FAR)]
    await asyncio.gather(*waiting)
    assert order == ["busy", "quiet", "other", "busy", "other"]


async def test_busy_model_delays_another_by_one_batch_at_most(either: Batcher) -> None:
    model = is_open()
    busy, quiet = queue(model), queue(first_pixels, "mlp")
    until_now: list[int] = []

    async def ask_for_ever() -> None:
        while True:
            await either.submit(busy, images(*range(4)), FAR)

    crowd = [asyncio.create_task(ask_for_ever()) for _ in range(2)]
    for _ in range(20):
        before = len(model.batches)
        await either.submit(quiet, images(1), FAR)
        until_now.append(len(model.batches) - before)
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    # One that runs already, one whose turn came first, and one that begins while the answer is on its way.
    assert max(until_now) <= 3
    assert len(model.batches) >= 10


async def test_model_error_fails_only_its_batch(either: Batcher) -> None:
    def fails_on_zero(images_NHWC: Pixels) -> Floats:
        if not images_NHWC.all():
            raise ValueError("zero")
        return first_pixels(images_NHWC)

    cnn = queue(fails_on_zero)
    both = [either.submit(cnn, images(0), FAR), either.submit(cnn, images(1), FAR)]
    for error in await asyncio.gather(*both, return_exceptions=True):
        assert isinstance(error, RuntimeError)
        assert "cnn@1 failed" in str(error)
        assert isinstance(error.__cause__, ValueError)
    assert answers(await either.submit(cnn, images(3), FAR)) == [3]
    assert cnn.pending == 0


async def test_split_request_fails_if_one_batch_fails(either: Batcher) -> None:
    def fails_on_five(images_NHWC: Pixels) -> Floats:
        if (images_NHWC == 5).any():
            raise ValueError("five")
        return first_pixels(images_NHWC)

    cnn = queue(fails_on_five)
    with pytest.raises(RuntimeError, match="cnn@1 failed"):
        await either.submit(cnn, images(*range(8)), FAR)
    assert answers(await either.submit(cnn, images(3), FAR)) == [3]
    assert cnn.pending == 0


@pytest.mark.parametrize("threads", [1, 2])
async def test_every_batch_is_observed(threads: int) -> None:
    seen: list[tuple[str, int]] = []
    observed = Batcher(
        threads=threads, max_batch=4, queue_size=8, observe_batch=lambda at, count: seen.append((at.name, count))
    )
    await observed.submit(queue(first_pixels), images(*range(8)), FAR)
    await asyncio.sleep(0)
    observed.close()
    assert seen == [("cnn@1", 4), ("cnn@1", 4)]


@pytest.mark.parametrize("threads", [1, 2, 3])
async def test_requests_get_their_own_results_among_cancellations(threads: int) -> None:
    made = Batcher(threads=threads, max_batch=8, queue_size=10_000, observe_batch=lambda queue, images: None)
    queues = [queue(first_pixels, name) for name in ("cnn", "mlp")]
    chance = random.Random(1)

    async def ask() -> None:
        values = [chance.randrange(256) for _ in range(chance.randint(1, 20))]
        future = made.submit(chance.choice(queues), images(*values), FAR)
        if chance.random() < 0.2:
            await asyncio.sleep(0)
            future.cancel()
            return
        inference = await future
        assert answers(inference) == values
        assert inference.outputs.energies == [-float(value) for value in values]
        assert len(inference.outputs.order) == len(values)

    for _ in range(20):
        await asyncio.gather(*(ask() for _ in range(50)))
    made.close()
    assert [each.pending for each in queues] == [0, 0]


async def test_batch_is_one_array_in_order_of_arrival(either: Batcher) -> None:
    seen: list[Pixels] = []

    def model(images_NHWC: Pixels) -> Floats:
        seen.append(images_NHWC.copy())
        return first_pixels(images_NHWC)

    cnn = queue(model)
    await asyncio.gather(either.submit(cnn, images(3, 1), FAR), either.submit(cnn, images(2), FAR))
    np.testing.assert_array_equal(seen, [images(3, 1, 2)])
