"""Overload: full queues, expired requests and deadlines as seen by a client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.gates import gated
from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for, until

RAW = {"content-type": "image/png"}


async def ask(running: RunningApp) -> str:
    answer = await running.client.post("/predict", content=gray_png(0), headers=RAW)
    assert answer.status_code == 200, answer.text
    label: str = answer.json()["predictions"][0]["label"]
    return label


async def test_full_queue_gives_429_with_retry_after(home: Path) -> None:
    settings = settings_for(home, queue_size=4, threads=2)
    async with running_app(settings) as running:
        cnn = running.queue("cnn")
        with gated(cnn) as gate:
            requests = [asyncio.create_task(ask(running)) for _ in range(2)]
            await gate.held(2)
            requests += [asyncio.create_task(ask(running)) for _ in range(4)]
            await until(lambda: asyncio.sleep(0, cnn.pending == 4))

            refused = await running.client.post("/predict", content=gray_png(0), headers=RAW)
            problem = assert_problem(refused, 429, "queue-full")
            assert problem["retry_after_ms"] >= 1
            assert int(refused.headers["retry-after"]) >= 1
            assert "cnn@1" in problem["detail"]
            both = await running.client.post("/compare", content=gray_png(0), headers=RAW)
            assert_problem(both, 429, "queue-full")
            before_its_body = await running.client.post("/predict", content=b"no image", headers=RAW)
            assert_problem(before_its_body, 429, "queue-full")
            elsewhere = await running.client.post("/models/cnn", content=b"")
            assert_problem(elsewhere, 405, "method-not-allowed")

            gate.open()
            assert await asyncio.gather(*requests) == ["black"] * 6
        assert await ask(running) == "black"
        assert cnn.pending == 0
        scraped = (await running.client.get("/metrics")).text
        assert 'duet_requests_rejected_total{model="cnn",reason="queue-full",version="1"} 3.0' in scraped


async def test_expired_request_gives_504_and_next_is_served(home: Path) -> None:
    async with running_app(settings_for(home, deadline_seconds=0.2)) as running:
        cnn = running.queue("cnn")
        with gated(cnn):
            # Two are held while they run, the third in the queue.
            late = await asyncio.gather(
                *(running.client.post("/predict", content=gray_png(0), headers=RAW) for _ in range(3))
            )
            for answer in late:
                assert_problem(answer, 504, "deadline-exceeded")
            assert cnn.pending == 0

        async def served() -> bool:
            answer = await running.client.post("/predict", content=gray_png(0), headers=RAW)
            return answer.status_code == 200

        await until(served)


@pytest.mark.parametrize("path", ["/predict", "/compare"])
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.full)])
async def test_deadline_of_zero_rejects_predictions(home: Path, path: str, threads: int) -> None:
    async with running_app(settings_for(home, deadline_seconds=0, threads=threads)) as running:
        for _ in range(3):
            answer = await running.client.post(path, content=gray_png(0), headers=RAW)
            assert_problem(answer, 504, "deadline-exceeded")
            form = await running.client.post(path, files={"file": gray_png(0)})
            assert_problem(form, 504, "deadline-exceeded")
        assert [running.queue(family).pending for family in ("cnn", "mlp")] == [0, 0]
        assert (await running.client.get("/livez")).status_code == 200
        assert (await running.client.get("/models")).status_code == 200
        scraped = (await running.client.get("/metrics")).text
        model, version = ("cnn", "1") if path == "/predict" else ("", "")  # a comparison is for several
        labels = f'model="{model}",reason="deadline-exceeded",version="{version}"'
        assert f"duet_requests_rejected_total{{{labels}}} 6.0" in scraped


async def test_expired_model_of_a_comparison_ends_it(home: Path) -> None:
    async with running_app(settings_for(home, deadline_seconds=0.2)) as running:
        cnn, mlp = running.queue("cnn"), running.queue("mlp")
        with gated(cnn):
            answer = await running.client.post("/compare", content=gray_png(0), headers=RAW)
            assert_problem(answer, 504, "deadline-exceeded")
            alone = await running.client.post("/predict?model=mlp", content=gray_png(0), headers=RAW)
            assert alone.json()["predictions"][0]["label"] == "white"
        assert [cnn.pending, mlp.pending] == [0, 0]


async def test_metrics_count_requests_and_images(running: RunningApp) -> None:
    for _ in range(3):
        await ask(running)
    await running.client.post("/predict?model=vit", content=gray_png(0), headers=RAW)
    await running.client.post("/predict", files=[("file", gray_png(0))] * 5)
    scraped = (await running.client.get("/metrics")).text
    cnn = 'model="cnn",precision="fp32",version="1"'
    for line in (
        f"duet_images_total{{{cnn}}} 8.0",
        f"duet_queue_images{{{cnn}}} 0.0",
        f"duet_batch_images_sum{{{cnn}}} 8.0",
        f"duet_decode_seconds_count{{{cnn}}} 4.0",
        f"duet_queue_seconds_count{{{cnn}}} 4.0",
        f"duet_inference_seconds_count{{{cnn}}} 4.0",
        f"duet_answer_seconds_count{{{cnn}}} 4.0",
        'duet_model_info{model="mlp",precision="fp32",version="1"} 1.0',
        'duet_http_requests_total{method="POST",route="/predict",status="200"} 4.0',
        'duet_http_requests_total{method="POST",route="/predict",status="404"} 1.0',
        'duet_http_request_duration_seconds_count{method="POST",route="/predict"} 5.0',
        'duet_requests_rejected_total{model="",reason="unknown-model",version=""} 1.0',
    ):
        assert f"\n{line}\n" in scraped
    assert "duet_build_info{" in scraped


async def test_metrics_report_the_queue_length(home: Path) -> None:
    async with running_app(settings_for(home)) as running:
        with gated(running.queue("cnn")) as gate:
            requests = [asyncio.create_task(ask(running)) for _ in range(2)]
            await gate.held(2)
            requests += [asyncio.create_task(ask(running)) for _ in range(3)]
            await until(lambda: asyncio.sleep(0, running.queue("cnn").pending == 3))
            scraped = (await running.client.get("/metrics")).text
            assert '\nduet_queue_images{model="cnn",precision="fp32",version="1"} 3.0\n' in scraped
            gate.open()
            await asyncio.gather(*requests)
        scraped = (await running.client.get("/metrics")).text
        assert '\nduet_queue_images{model="cnn",precision="fp32",version="1"} 0.0\n' in scraped


async def test_metrics_report_requests_in_progress(home: Path) -> None:
    async with running_app(settings_for(home)) as running:
        with gated(running.queue("cnn")) as gate:
            requests = [asyncio.create_task(ask(running)) for _ in range(2)]
            await gate.held(2)
            # The scrape is a request too.
            assert "\nduet_http_requests_in_progress 3.0\n" in (await running.client.get("/metrics")).text
            gate.open()
            await asyncio.gather(*requests)
        await running.client.post("/predict?model=vit", content=gray_png(0), headers=RAW)
        assert "\nduet_http_requests_in_progress 1.0\n" in (await running.client.get("/metrics")).text


async def test_metrics_are_complete_after_shutdown(home: Path) -> None:
    async with running_app(settings_for(home)) as running:
        registry = running.state["metrics"].registry
        await ask(running)
    answered = {"method": "POST", "route": "/predict", "status": "200"}
    assert registry.get_sample_value("duet_http_requests_total", answered) == 1.0


async def test_metrics_report_total_seconds_per_version(running: RunningApp) -> None:
    for path in ("/predict", "/compare"):
        assert (await running.client.post(path, content=gray_png(0), headers=RAW)).status_code == 200
    metrics = running.state["metrics"]
    metrics.settle()
    version = {"model": "cnn", "version": "1", "precision": "fp32"}
    sums = {
        stage: metrics.registry.get_sample_value(f"duet_{stage}_seconds_sum", version) or 0.0
        for stage in ("decode", "queue", "inference", "answer")
    }
    assert metrics.registry.get_sample_value("duet_answer_seconds_count", version) == 2.0
    assert 0 < sums["decode"] + sums["queue"] + sums["inference"] < sums["answer"] < 60
