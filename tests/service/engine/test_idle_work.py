"""Background work: what waits for predictions, which never wait for more of it than is running."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from service.engine.arrays import Floats, Pixels
from service.engine.batcher import Batcher
from tests.service.engine.models import FAR, GatedModel, answers, first_pixels, images, queue


def batcher_of(threads: int) -> Batcher:
    return Batcher(threads=threads, max_batch=4, queue_size=64, observe_batch=lambda queue, images: None)


@pytest.mark.parametrize("threads", [1, 2, 3])
async def test_its_result_and_its_error_come_back(threads: int) -> None:
    made = batcher_of(threads)
    assert await made.run_background(lambda: 7) == 7

    def fails() -> int:
        raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        await made.run_background(fails)
    await made.run_background(lambda: None)
    made.close()


@pytest.mark.parametrize("threads", [1, 2])
async def test_a_prediction_overtakes_what_waits(threads: int) -> None:
    made = batcher_of(threads)
    order: list[str] = []

    def model(images_NHWC: Pixels) -> Floats:
        order.append("prediction")
        return first_pixels(images_NHWC)

    cnn = queue(model)
    waiting = [made.run_background(lambda part=part: order.append(f"part {part}")) for part in range(6)]  # type: ignore[misc]
    await waiting[0]
    done = len(order)
    predicted = made.submit(cnn, images(5), FAR)
    assert answers(await predicted) == [5]
    # At most one part was running, or on its way to a thread, when the prediction came.
    assert order.index("prediction") <= done + 1
    await asyncio.gather(*waiting)
    assert [each for each in order if each != "prediction"] == [f"part {part}" for part in range(6)]
    made.close()


async def test_an_explanation_that_never_ends_gives_way_to_each_prediction_after_one_part() -> None:
    made = batcher_of(1)
    cnn = queue(first_pixels)
    parts = 0

    def part() -> None:
        nonlocal parts
        parts += 1

    async def explain_for_ever() -> None:
        while True:
            await made.run_background(part)

    crowd = [asyncio.create_task(explain_for_ever()) for _ in range(4)]
    between: list[int] = []
    for value in range(20):
        await asyncio.sleep(0)
        before = parts
        assert answers(await made.submit(cnn, images(value), FAR)) == [value]
        between.append(parts - before)
    while parts < 10:  # noqa: ASYNC110  what is waited for is the loop having turned
        await asyncio.sleep(0)
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    made.close()
    assert max(between) <= 1


async def test_nothing_of_it_runs_while_predictions_wait() -> None:
    made = batcher_of(1)
    order: list[str] = []

    def model(images_NHWC: Pixels) -> Floats:
        order.append("prediction")
        return first_pixels(images_NHWC)

    cnn, mlp = queue(model), queue(model, "mlp")
    explaining = made.run_background(lambda: order.append("part"))
    await asyncio.gather(*(made.submit(at, images(*range(8)), FAR) for at in (cnn, mlp, cnn)))
    await explaining
    made.close()
    assert order == ["prediction"] * 6 + ["part"]


async def test_requests_that_are_on_their_way_reach_the_queue_before_the_next_part() -> None:
    made = batcher_of(1)
    order: list[str] = []

    def model(images_NHWC: Pixels) -> Floats:
        order.append("prediction")
        return first_pixels(images_NHWC)

    cnn = queue(model)

    async def arrive() -> None:
        for _ in range(3):  # from the socket to the protocol, to the task, to the route
            await asyncio.sleep(0)
        await made.submit(cnn, images(1), FAR)

    def part() -> None:
        order.append("part")
        if order.count("part") == 2:
            arriving.append(asyncio.ensure_future(arrive()))

    arriving: list[asyncio.Future[None]] = []
    await asyncio.gather(*(made.run_background(part) for _ in range(4)))
    await asyncio.gather(*arriving)
    made.close()
    assert order == ["part", "part", "prediction", "part", "part"]


async def test_one_thread_is_always_left_to_predictions() -> None:
    made = batcher_of(3)
    gate, started = threading.Event(), threading.Semaphore(0)

    def part() -> None:
        started.release()
        assert gate.wait(30)

    waiting = [made.run_background(part) for _ in range(5)]
    for _ in range(2):
        assert await asyncio.to_thread(started.acquire, timeout=30)
    assert answers(await made.submit(queue(first_pixels), images(3), FAR)) == [3]
    assert not started.acquire(blocking=False)
    gate.set()
    await asyncio.gather(*waiting)
    made.close()


async def test_two_threads_that_predict_leave_none_for_it() -> None:
    made = batcher_of(2)
    model = GatedModel()
    cnn = queue(model)
    predicted = [made.submit(cnn, images(value), FAR) for value in (1, 2)]
    await model.running()
    await model.running()
    ran: list[int] = []
    explaining = made.run_background(lambda: ran.append(1))
    for _ in range(20):
        await asyncio.sleep(0)
    assert ran == []
    model.gate.set()
    await asyncio.gather(explaining, *predicted)
    made.close()
    assert ran == [1]


@pytest.mark.parametrize("threads", [1, 2])
async def test_what_nobody_waits_for_never_runs(threads: int) -> None:
    made = batcher_of(threads)
    ran: list[int] = []
    futures = [made.run_background(lambda value=value: ran.append(value)) for value in range(4)]  # type: ignore[misc]
    futures[2].cancel()
    await asyncio.gather(*(future for future in futures if not future.cancelled()))
    made.close()
    assert ran == [0, 1, 3]


async def test_predictions_stay_right_beside_it() -> None:
    made = batcher_of(2)
    cnn = queue(first_pixels)

    async def explain() -> int:
        total = 0
        for value in range(30):
            total += await made.run_background(lambda value=value: int(np.square(value)))  # type: ignore[misc]
        return total

    async def predict() -> None:
        for value in range(30):
            assert answers(await made.submit(cnn, images(value), FAR)) == [value]

    *_, first, second = await asyncio.gather(*(predict() for _ in range(5)), explain(), explain())
    made.close()
    assert first == second == sum(value**2 for value in range(30))
