"""Full queues, late answers and deadlines, as a client sees them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from service.engine.arrays import Floats, Pixels
from service.engine.lane import Lane
from tests.support.onnx_models import grey_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for, until

RAW = {"content-type": "image/png"}


class Gate:
    """Holds a lane's model back until it is opened."""

    def __init__(self, lane: Lane) -> None:
        self.closed_on = threading.Semaphore(0)
        self._opened = threading.Event()
        self._real = lane.run
        lane.run = self._run

    def open(self) -> None:
        self._opened.set()

    def _run(self, images_NHWC: Pixels) -> Floats:
        self.closed_on.release()
        assert self._opened.wait(30)
        return self._real(images_NHWC)


def lane_of(running: RunningApp, family: str) -> Lane:
    return next(served.lane for served in running.state["engine"].models.loaded() if served.family == family)


async def test_a_full_queue_answers_429_with_the_time_to_wait(home: Path) -> None:
    settings = settings_for(home, queue_size=4, max_files=4, threads=1)
    async with running_app(settings) as running:
        cnn = lane_of(running, "cnn")
        gate = Gate(cnn)
        requests = [asyncio.create_task(ask(running))]
        await asyncio.to_thread(gate.closed_on.acquire)
        requests += [asyncio.create_task(ask(running)) for _ in range(4)]
        await until(lambda: asyncio.sleep(0, cnn.waiting == 4))

        refused = await running.client.post("/predict", content=grey_png(0), headers=RAW)
        problem = assert_problem(refused, 429, "queue-full")
        assert problem["retry_after_ms"] >= 1
        assert int(refused.headers["retry-after"]) >= 1
        assert "cnn@1" in problem["detail"]
        both = await running.client.post("/compare", content=grey_png(0), headers=RAW)
        assert_problem(both, 429, "queue-full")

        gate.open()
        assert await asyncio.gather(*requests) == ["black"] * 5
        assert await ask(running) == "black"
        scraped = (await running.client.get("/metrics")).text
        assert 'duet_requests_rejected_total{reason="queue-full"} 2.0' in scraped


async def ask(running: RunningApp) -> str:
    answer = await running.client.post("/predict", content=grey_png(0), headers=RAW)
    assert answer.status_code == 200, answer.text
    label: str = answer.json()["predictions"][0]["label"]
    return label


async def test_a_late_answer_is_a_504_and_the_next_request_is_served(home: Path) -> None:
    async with running_app(settings_for(home, deadline_seconds=0.2)) as running:
        gate = Gate(lane_of(running, "cnn"))
        assert_problem(
            await running.client.post("/predict", content=grey_png(0), headers=RAW), 504, "deadline-exceeded"
        )
        gate.open()

        async def served() -> bool:
            answer = await running.client.post("/predict", content=grey_png(0), headers=RAW)
            return answer.status_code == 200

        await until(served)


async def test_a_deadline_of_zero_refuses_everything_that_takes_time(home: Path) -> None:
    async with running_app(settings_for(home, deadline_seconds=0)) as running:
        answer = await running.client.post("/predict", content=grey_png(0), headers=RAW)
        assert answer.status_code in (408, 504)
        assert lane_of(running, "cnn").waiting == 0
        assert (await running.client.get("/livez")).status_code == 200


async def test_the_metrics_count_what_was_answered(running: RunningApp) -> None:
    for _ in range(3):
        await ask(running)
    await running.client.post("/predict?model=vit", content=grey_png(0), headers=RAW)
    scraped = (await running.client.get("/metrics")).text
    for line in (
        'duet_images_total{model="cnn",version="1"} 3.0',
        'duet_queue_images{model="cnn",version="1"} 0.0',
        'duet_batch_images_sum{model="cnn",version="1"} 3.0',
        'duet_inference_seconds_count{model="cnn",version="1"} 3.0',
        'duet_model_info{model="mlp",precision="fp32",version="1"} 1.0',
        'duet_http_requests_total{method="POST",route="/predict",status="200"} 3.0',
        'duet_http_requests_total{method="POST",route="/predict",status="404"} 1.0',
        'duet_requests_rejected_total{reason="unknown-model"} 1.0',
    ):
        assert f"\n{line}\n" in scraped
    assert "duet_build_info{" in scraped
