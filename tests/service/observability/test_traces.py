"""Traces of requests, received by a collector in the process of the test."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from core.images.tta_views import VIEW_WEIGHTS
from core.repository.graph_records import AveragedViewsRecord, Calibration
from core.statistics.intervals import ConfidenceInterval
from service.observability.logging import ACCESS_LOGGER, JsonFormatter
from tests.support.collector import Collector, Received, running_collector
from tests.support.gates import gated
from tests.support.gradient_graphs import write_explainable
from tests.support.onnx_models import SIZE, gray_png, write_onnx_version
from tests.support.service import RunningApp, listening_app, running_app, settings_for, until
from tests.support.wire import Peer, request

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
NOT_SAMPLED = TRACEPARENT[:-1] + "0"
RAW = {"content-type": "image/png"}
AVERAGED_VIEWS = AveragedViewsRecord(
    views=len(VIEW_WEIGHTS),
    calibration=Calibration(
        temperature=1.0, coverage=0.9, conformal_threshold=0.1, ood_threshold=0.0, ood_flag_rate=0.05
    ),
    test_accuracy=ConfidenceInterval(value=0.9, low=0.8, high=1.0),
    test_log_loss=0.3,
    test_ece=0.02,
)
INFER = {
    "inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, SIZE, SIZE, 3], "data": [0] * (3 * SIZE * SIZE)}]
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tracing(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """An app that traces the requests of clients that ask for it."""
    home = tmp_path_factory.mktemp("home")
    models = write_explainable(home)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, averaged_views={"fp32": AVERAGED_VIEWS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        for name, value in collector.environment.items():
            patch.setenv(name, value)
        async with running_app(settings_for(home, threads=1)) as app:
            yield app


async def trace_of(app: RunningApp, collector: Collector, path: str, name: str, **options: Any) -> Received:
    """Send a sampled request, which must succeed, and return its span."""
    collector.spans.clear()
    headers = {"traceparent": TRACEPARENT, **options.pop("headers", {})}
    response = await app.client.post(path, headers=headers, **options)
    assert response.status_code == 200, response.text
    await asyncio.to_thread(collector.wait_for, name)
    return collector.only(name)


@pytest.mark.asyncio(loop_scope="module")
async def test_prediction_has_a_span_for_each_step(tracing: RunningApp, collector: Collector) -> None:
    headers = RAW | {"x-request-id": "mine"}
    span = await trace_of(tracing, collector, "/predict", "POST /predict", content=gray_png(0), headers=headers)
    assert (span.trace, span.parent, span.kind, span.failed) == (TRACE, PARENT, "server", False)
    client = span.attributes.pop("client.address")
    assert client == "127.0.0.1"
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "url.path": "/predict",
        "url.scheme": "http",
        "duet.request_id": "mine",
    }
    assert collector.children(span) == ["receive", "decode", "queue", "run", "postprocess"]
    steps = [collector.only(name) for name in collector.children(span)]
    times = [time for step in steps for time in (step.started, step.ended)]
    assert [span.started, *times, span.ended] == sorted([span.started, *times, span.ended])
    assert collector.only("run").attributes == {
        "duet.model": "cnn",
        "duet.version": 1,
        "duet.precision": "fp32",
        "duet.images": 1,
        "duet.batch.images": 1,
        "duet.batch.requests": 1,
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("/predict?version=2&tta=true", ["receive", "decode", *["queue", "run"] * len(VIEW_WEIGHTS), "postprocess"]),
        ("/compare?models=cnn@1,cnn@1", ["receive", "decode", "queue", "queue", "run", "run", "postprocess"]),
        ("/saliency?method=saliency,occlusion", ["receive", "decode", "saliency", "postprocess"]),
        ("/view", ["receive", "decode"]),
    ],
)
async def test_routes_of_images_are_traced(
    tracing: RunningApp, collector: Collector, path: str, steps: list[str]
) -> None:
    name = f"POST {path.partition('?')[0]}"
    span = await trace_of(tracing, collector, path, name, content=gray_png(0), headers=RAW)
    assert sorted(collector.children(span)) == sorted(steps)
    for explanation in collector.named("saliency"):
        assert explanation.attributes == {"duet.model": "cnn", "duet.version": 1, "duet.methods": "saliency,occlusion"}


@pytest.mark.asyncio(loop_scope="module")
async def test_inference_by_the_open_protocol_is_traced(tracing: RunningApp, collector: Collector) -> None:
    span = await trace_of(tracing, collector, "/v2/models/cnn/infer", "POST /v2/models/{model}/infer", json=INFER)
    assert collector.children(span) == ["receive", "decode", "queue", "run", "postprocess"]


@pytest.mark.asyncio(loop_scope="module")
async def test_context_of_a_sampled_request_is_that_of_its_span(
    tracing: RunningApp, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, ACCESS_LOGGER)
    caplog.handler.setFormatter(JsonFormatter())
    collector.spans.clear()
    traced = await tracing.client.get("/models", headers={"traceparent": TRACEPARENT})
    await asyncio.to_thread(collector.wait_for, "GET /models")
    own = f"00-{TRACE}-{collector.only('GET /models').id}-01"
    assert traced.headers["traceparent"] == own
    assert f'"traceparent":"{own}"' in caplog.text
    untraced = await tracing.client.get("/models", headers={"traceparent": NOT_SAMPLED})
    assert untraced.headers["traceparent"] == NOT_SAMPLED
    assert "traceparent" not in (await tracing.client.get("/models")).headers


@pytest.mark.asyncio(loop_scope="module")
async def test_only_sampled_requests_other_than_probes_are_exported(tracing: RunningApp, collector: Collector) -> None:
    collector.spans.clear()
    for path in ("/livez", "/readyz", "/metrics", "/v2/health/ready"):
        assert (await tracing.client.get(path, headers={"traceparent": TRACEPARENT})).status_code == 200
    await tracing.client.post("/predict", content=gray_png(0), headers=RAW | {"traceparent": NOT_SAMPLED})
    await tracing.client.post("/predict", content=gray_png(0), headers=RAW)
    assert (await tracing.client.get("/nowhere", headers={"traceparent": TRACEPARENT})).status_code == 404
    [last] = await asyncio.to_thread(collector.wait_for, "GET")  # spans are exported in order
    assert [span.name for span in collector.spans] == ["GET"]
    assert (last.attributes["http.response.status_code"], last.attributes["url.path"]) == (404, "/nowhere")


@pytest.fixture
def sampled(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """The collector, for processes that trace every request."""
    for name, value in (collector.environment | {"OTEL_TRACES_SAMPLER": "always_on"}).items():
        monkeypatch.setenv(name, value)
    collector.spans.clear()
    return collector


async def test_batch_and_rejections_are_traced(home: Path, sampled: Collector) -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(listening_app(settings_for(home, queue_size=2, threads=2)))
        queue = app.queue("cnn")
        peers = [await stack.enter_async_context(await Peer.connect(app.address)) for _ in range(5)]
        with gated(queue) as gate:
            for number, peer in enumerate(peers[:4]):
                await peer.send(request(gray_png(0)))
                if number < 2:
                    await gate.held()
            await until(lambda: asyncio.sleep(0, queue.pending == 2))
            await peers[4].send(request(gray_png(0), f"traceparent: {TRACEPARENT}"))
            rejection = await peers[4].answer()
        assert rejection.status == 429
        assert [(await peer.answer()).status for peer in peers[:4]] == [200] * 4
        await asyncio.to_thread(sampled.wait_for, "POST /predict", 5)
        [rejected] = [span for span in sampled.named("POST /predict") if span.trace == TRACE]
        assert (rejected.parent, rejected.attributes["http.response.status_code"]) == (PARENT, 429)
        assert rejection.headers["traceparent"] == f"00-{TRACE}-{rejected.id}-01"
        assert sampled.children(rejected) == []
        shared = [span for span in sampled.named("run") if span.attributes["duet.batch.requests"] == 2]
        assert [span.attributes["duet.batch.images"] for span in shared] in ([], [2, 2])
        assert len({span.trace for span in sampled.named("run")}) == 4


async def test_failure_of_a_model_is_in_the_trace(home: Path, sampled: Collector) -> None:
    def fail(_: object) -> Any:
        raise RuntimeError

    async with running_app(settings_for(home)) as app:
        app.queue("cnn").run = fail
        response = await app.client.post("/predict", content=gray_png(0), headers=RAW)
        assert response.status_code == 500
        await asyncio.to_thread(sampled.wait_for, "POST /predict")
    run, span = sampled.only("run"), sampled.only("POST /predict")
    assert (run.failed, run.attributes["error.type"]) == (True, "RuntimeError")
    assert (span.failed, span.attributes["error.type"]) == (True, "500")


async def test_deadline_in_the_queue_is_in_the_trace(home: Path, sampled: Collector) -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(listening_app(settings_for(home, threads=2, deadline_seconds=1)))
        peers = [await stack.enter_async_context(await Peer.connect(app.address)) for _ in range(3)]
        with gated(app.queue("cnn")) as gate:
            for peer in peers[:2]:
                await peer.send(request(gray_png(0)))
                await gate.held()
            await peers[2].send(request(gray_png(0), f"traceparent: {TRACEPARENT}"))
            assert (await peers[2].answer()).status == 504
        await asyncio.to_thread(sampled.wait_for, "POST /predict", 3)
    [expired] = [span for span in sampled.named("queue") if span.trace == TRACE]
    assert (expired.failed, expired.attributes["error.type"]) == (True, "DeadlineExceededError")


async def test_last_spans_are_exported_at_shutdown(
    home: Path, sampled: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    async with running_app(settings_for(home)) as app:
        await app.client.get("/models")
        assert sampled.spans == []
    assert [span.name for span in sampled.spans] == ["GET /models"]


async def test_service_works_without_its_collector(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    async with running_app(settings_for(home)) as app:
        responses = [await app.client.post("/predict", content=gray_png(0), headers=RAW) for _ in range(20)]
    assert {response.status_code for response in responses} == {200}


LOADED = """
import sys
from service.app import create_app
import service.server.main, service.jobs.worker.worker, training.jobs.main
create_app()
loaded = [name for name in sys.modules if name.startswith("opentelemetry.")]
print(any(name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter")) for name in loaded))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "loads"),
    [({"OTEL_SERVICE_NAME": "duet"}, False), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True)],
)
def test_sdk_is_loaded_only_if_traces_are_on(home: Path, variables: dict[str, str], loads: bool) -> None:
    """FastAPI imports the API of OpenTelemetry, and redis its metrics."""
    environment = {"PATH": "", "DUET_HOME": str(home), **variables}
    ended = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert ended.stdout.split() == [str(loads)], ended.stderr


def test_span_interface_imports_no_opentelemetry() -> None:
    program = (
        "import sys, core.jobs.spans, core.tracing.tracer; print([n for n in sys.modules if 'opentelemetry' in n])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"


def test_missing_package_is_named(home: Path) -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None\nfrom service.app import create_app\ncreate_app()"
    )
    environment = {"PATH": "", "DUET_HOME": str(home), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in ended.stderr
    assert "pip install 'duet-vision[tracing]'" in ended.stderr
