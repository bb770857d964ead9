"""The batcher against models that are plain functions and wait until the test lets them go."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from service.engine.arrays import Floats, Pixels
from service.engine.batcher import Batcher
from service.engine.lane import Lane
from service.errors import DeadlineExceededError, QueueFullError

FAR = 1e9


class GatedModel:
    """Answers each image with its first pixel; every run waits for `gate`, and its batch size is noted."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[int] = []
        self.started = threading.Semaphore(0)

    def __call__(self, images_NHWC: Pixels) -> Floats:
        self.batches.append(len(images_NHWC))
        self.started.release()
        assert self.gate.wait(30)
        return images_NHWC[:, 0, 0, :1].astype(np.float32)

    async def running(self) -> None:
        """Until one more run has begun."""
        await asyncio.to_thread(self.started.acquire)


def images(*values: int) -> Pixels:
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)


def lane(model: Callable[[Pixels], Floats], family: str = "cnn") -> Lane:
    return Lane(family, 1, model, seconds_per_image=0.01)


@pytest.fixture
async def batcher() -> AsyncIterator[Batcher]:
    made = Batcher(threads=1, max_batch=4, queue_size=8, observe_batch=lambda lane, images: None)
    yield made
    made.close()


async def test_a_lone_request_runs_at_once_and_alone(batcher: Batcher) -> None:
    model = GatedModel()
    model.gate.set()
    inference = await batcher.submit(lane(model), images(7), FAR)
    assert inference.logits_NK.tolist() == [[7.0]]
    assert model.batches == [1]
    assert inference.queue_seconds >= 0
    assert inference.run_seconds > 0


async def test_what_waits_while_the_model_is_busy_makes_the_next_batches(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = lane(model)
    first = batcher.submit(cnn, images(0), FAR)
    await model.running()
    others = [batcher.submit(cnn, images(i), FAR) for i in range(1, 7)]
    model.gate.set()
    answers = await asyncio.gather(first, *others)
    assert model.batches == [1, 4, 2]
    assert [answer.logits_NK.tolist() for answer in answers] == [[[float(i)]] for i in range(7)]


async def test_requests_of_one_turn_of_the_loop_share_a_batch(batcher: Batcher) -> None:
    model = GatedModel()
    model.gate.set()
    cnn = lane(model)
    await asyncio.gather(*(batcher.submit(cnn, images(i), FAR) for i in range(3)))
    assert model.batches == [3]


async def test_a_request_larger_than_a_batch_is_answered_whole_and_in_order(batcher: Batcher) -> None:
    model = GatedModel()
    model.gate.set()
    cnn = lane(model)
    large, small = batcher.submit(cnn, images(*range(7)), FAR), batcher.submit(cnn, images(9), FAR)
    assert (await large).logits_NK[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert (await small).logits_NK.tolist() == [[9]]
    assert model.batches == [4, 4]


async def test_idle_threads_share_what_waits() -> None:
    wide = Batcher(threads=2, max_batch=32, queue_size=64, observe_batch=lambda lane, images: None)
    model = GatedModel()
    cnn = lane(model)
    waiting = [wide.submit(cnn, images(i), FAR) for i in range(8)]
    await model.running()
    await model.running()
    model.gate.set()
    await asyncio.gather(*waiting)
    wide.close()
    assert sorted(model.batches) == [4, 4]


async def test_models_take_turns(batcher: Batcher) -> None:
    order: list[str] = []
    gate = threading.Event()

    def model(name: str) -> Callable[[Pixels], Floats]:
        def run(images_NHWC: Pixels) -> Floats:
            assert gate.wait(30)
            order.append(name)
            return images_NHWC[:, 0, 0, :1].astype(np.float32)

        return run

    busy, quiet = lane(model("busy"), "cnn"), lane(model("quiet"), "mlp")
    waiting = [batcher.submit(busy, images(*range(4)), FAR) for _ in range(2)]
    waiting.append(batcher.submit(quiet, images(1), FAR))
    gate.set()
    await asyncio.gather(*waiting)
    assert order == ["busy", "quiet", "busy"]


async def test_a_full_queue_refuses_with_the_time_it_takes_to_drain(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = lane(model)
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    waiting = batcher.submit(cnn, images(*range(7)), FAR)
    batcher.check_room(cnn)
    with pytest.raises(QueueFullError) as raised:
        batcher.submit(cnn, images(1, 2), FAR)
    assert raised.value.fields["retry_after_ms"] == pytest.approx(7 * 10)
    assert raised.value.headers["Retry-After"] == "1"
    assert "7 images are waiting for cnn@1" in raised.value.detail
    batcher.submit(cnn, images(8), FAR)
    with pytest.raises(QueueFullError):
        batcher.check_room(cnn)
    model.gate.set()
    await asyncio.gather(running, waiting)


async def test_a_cancelled_request_frees_its_places_and_never_runs(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = lane(model)
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    cancelled = [batcher.submit(cnn, images(1, 2), FAR), batcher.submit(cnn, images(*range(6)), FAR)]
    assert cnn.waiting == 8
    for future in cancelled:
        future.cancel()
    await asyncio.sleep(0)
    assert cnn.waiting == 0
    kept = batcher.submit(cnn, images(*range(8)), FAR)
    model.gate.set()
    await asyncio.gather(running, kept)
    assert model.batches == [1, 4, 4]
    assert cnn.waiting == 0


async def test_cancelling_what_runs_spoils_nothing_for_its_neighbours(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = lane(model)
    gone, kept = batcher.submit(cnn, images(1), FAR), batcher.submit(cnn, images(2), FAR)
    await model.running()
    gone.cancel()
    model.gate.set()
    assert (await kept).logits_NK.tolist() == [[2]]
    assert model.batches == [2]


async def test_everyone_gone_leaves_a_queue_that_works(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = lane(model)
    running = batcher.submit(cnn, images(0), FAR)
    await model.running()
    gone = batcher.submit(cnn, images(1), FAR)
    gone.cancel()
    model.gate.set()
    await running
    assert (await batcher.submit(cnn, images(5), FAR)).logits_NK.tolist() == [[5]]
    assert model.batches == [1, 1]


async def test_a_deadline_passes_while_waiting_and_while_running(batcher: Batcher) -> None:
    model = GatedModel()
    cnn = lane(model)
    soon = time.perf_counter() + 0.02
    running, waiting = batcher.submit(cnn, images(*range(4)), soon), batcher.submit(cnn, images(1), soon)
    for future in (running, waiting):
        with pytest.raises(DeadlineExceededError):
            await future
    assert cnn.waiting == 0
    model.gate.set()
    assert (await batcher.submit(cnn, images(3), FAR)).logits_NK.tolist() == [[3]]
    assert model.batches == [4, 1]


async def test_a_deadline_of_now_is_exceeded(batcher: Batcher) -> None:
    model = GatedModel()
    with pytest.raises(DeadlineExceededError):
        await batcher.submit(lane(model), images(1), time.perf_counter())
    model.gate.set()


async def test_a_model_that_fails_fails_its_batch_alone(batcher: Batcher) -> None:
    def fails_on_zero(images_NHWC: Pixels) -> Floats:
        if not images_NHWC.all():
            raise ValueError("zero")
        return images_NHWC[:, 0, 0, :1].astype(np.float32)

    cnn = lane(fails_on_zero)
    with pytest.raises(RuntimeError, match="cnn@1 failed") as raised:
        await batcher.submit(cnn, images(0), FAR)
    assert isinstance(raised.value.__cause__, ValueError)
    assert (await batcher.submit(cnn, images(3), FAR)).logits_NK.tolist() == [[3]]


async def test_every_batch_is_observed() -> None:
    seen: list[tuple[str, int]] = []
    observed = Batcher(threads=1, max_batch=4, queue_size=8, observe_batch=lambda at, n: seen.append((at.name, n)))
    model = GatedModel()
    model.gate.set()
    await observed.submit(lane(model), images(*range(6)), FAR)
    await asyncio.sleep(0)
    observed.close()
    assert seen == [("cnn@1", 4), ("cnn@1", 2)]
