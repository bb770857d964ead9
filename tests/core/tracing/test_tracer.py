"""Tracer: variables of OpenTelemetry, sampling, and outages of the collector."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from core.errors import ConfigurationError
from core.tracing.spans import active_span, child_span, record_step, traced
from core.tracing.tracer import Tracer, check_tracing, start_tracer
from tests.support.children import wait_until
from tests.support.collector import Collector, running_collector

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture
def start(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Tracer]]:
    """Return a function that starts a tracer with these variables; it is closed at the end."""
    started: list[Tracer] = []

    def start(**variables: str) -> Tracer:
        for name, value in (collector.environment | variables).items():
            monkeypatch.setenv(name, value)
        tracer = start_tracer("api")
        assert tracer is not None
        started.append(tracer)
        return tracer

    yield start
    for tracer in started:
        tracer.close()


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_SERVICE_NAME": "duet", "OTEL_TRACES_SAMPLER": "always_on"}, False),
    ],
)
def test_endpoint_or_exporter_asks_for_traces(environment: dict[str, str], asked: bool) -> None:
    assert check_tracing(environment) is asked


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin: traces can be exported by otlp only"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf only"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "must be a URL such as http://collector:4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:port"}, "must be a URL"),
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER=sometimes: use one of always_on"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1%"}, "use a share from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "use a share from 0 to 1"),
    ],
)
def test_unsupported_variable_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_tracing(ENDPOINT | variables)


def test_request_continues_the_trace_of_its_client(collector: Collector, start: Callable[..., Tracer]) -> None:
    tracer = start(OTEL_SERVICE_NAME="shop")
    span = tracer.start_request("POST", SAMPLED, time.perf_counter())
    assert span is not None
    span.record("decode", time.perf_counter(), attributes={"text": "x" * 5000, "images": 2})
    span.end()
    tracer.close()
    step, request = collector.only("decode"), collector.only("POST")
    assert (request.trace, request.parent, request.kind) == (TRACE, PARENT, "server")
    assert span.traceparent[3:-3] == f"{TRACE}-{request.id}"
    assert (step.trace, step.parent) == (TRACE, request.id)
    assert step.attributes == {"text": "x" * 1024, "images": 2}
    assert step.resource["service.name"] == "shop"
    assert step.resource["duet.process"] == "api"
    assert request.started <= step.started <= step.ended <= request.ended
    assert abs(time.time_ns() - request.ended) < 60e9


def test_span_without_a_name_of_the_service_is_of_duet(collector: Collector, start: Callable[..., Tracer]) -> None:
    tracer = start()
    span = tracer.start("job", None)
    assert span is not None
    span.end(error="ValueError")
    tracer.close()
    found = collector.only("job")
    assert (found.parent, found.failed, found.attributes) == ("", True, {"error.type": "ValueError"})
    assert found.resource["service.name"] == "duet"


@pytest.mark.parametrize(
    ("sampler", "traceparent", "sampled"),
    [
        ("parentbased_always_on", None, True),
        ("parentbased_always_on", NOT_SAMPLED, False),
        ("parentbased_always_off", None, False),
        ("parentbased_always_off", SAMPLED, True),
        ("always_off", SAMPLED, False),
        ("always_on", NOT_SAMPLED, True),
    ],
)
def test_sampler_of_the_environment_decides(
    start: Callable[..., Tracer], sampler: str, traceparent: str | None, sampled: bool
) -> None:
    tracer = start(OTEL_TRACES_SAMPLER=sampler)
    assert (tracer.start_request("GET", traceparent, 0.0) is not None) is sampled
    assert (tracer.start("job", traceparent) is not None) is sampled


def test_share_of_the_requests_is_sampled_by_trace_id(start: Callable[..., Tracer]) -> None:
    tracer = start(OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0.25")
    spans = [span for _ in range(2000) if (span := tracer.start_request("GET", None, 0.0)) is not None]
    assert 400 < len(spans) < 600  # the standard deviation is 19
    # The decision was made for the trace id of the span, so that other services make the same.
    assert all(int(span.traceparent[19:35], 16) < 2**62 for span in spans)
    assert len({span.traceparent[3:35] for span in spans}) == len(spans)


async def test_steps_are_children_of_the_active_span(collector: Collector, start: Callable[..., Tracer]) -> None:
    async def fail() -> None:
        raise ValueError

    tracer = start()
    request = tracer.start_request("GET", None, time.perf_counter())
    token = active_span.set(request)
    record_step("decode", time.perf_counter())
    with pytest.raises(ValueError):
        await traced("receive", fail())
    with child_span("send train", {"to": "queue"}, kind="producer") as producer:
        assert producer is not None
    active_span.reset(token)
    assert request is not None
    request.end()
    tracer.close()
    assert collector.children(collector.only("GET")) == ["decode", "receive", "send train"]
    assert collector.only("receive").attributes == {"error.type": "ValueError"}
    assert (collector.only("send train").kind, collector.only("decode").failed) == ("producer", False)


async def test_steps_without_an_active_span_leave_no_trace() -> None:
    async def one() -> int:
        return 1

    record_step("decode", 0.0)
    assert await traced("receive", one()) == 1
    with child_span("send train", {}) as span:
        assert span is None


def test_outage_of_the_collector_is_reported_once(
    collector: Collector, start: Callable[..., Tracer], caplog: pytest.LogCaptureFixture
) -> None:
    tracer = start(OTEL_BSP_MAX_QUEUE_SIZE="8", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4")

    def export() -> None:
        for _ in range(20):  # more than the queue holds
            span = tracer.start("job", None)
            assert span is not None
            span.end()

    def reports() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]

    collector.status = 404
    export()
    wait_until(lambda: collector.requests >= 1)
    export()
    wait_until(lambda: collector.requests >= 2)
    collector.status = 200
    export()
    wait_until(lambda: len(reports()) == 2)
    outage, recovery = reports()
    assert outage.startswith("traces cannot be exported, and spans are dropped until they can: ")
    assert "404" in outage
    assert recovery == "traces are exported again"


def test_close_does_not_wait_for_a_silent_collector(start: Callable[..., Tracer]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        # Longer than the time limit of a test.
        tracer = start(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="3600")
        span = tracer.start("job", None)
        assert span is not None
        span.end()
        tracer.close()
