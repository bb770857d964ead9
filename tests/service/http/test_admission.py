"""Admission control in the HTTP protocol: rejections equal those of the route, and connections stay usable."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from service.engine.engine import Engine
from service.errors import QueueFullError, problem_of
from service.http.admission import HttpProtocol
from service.http.fast_routes import FastDispatch, QueryParser
from service.observability.logging import ACCESS_LOGGER
from service.server.server import SlowConnectionReaper
from tests.support.gates import Gate, gated
from tests.support.onnx_models import gray_png
from tests.support.service import ListeningApp, listening_app, settings_for, until
from tests.support.wire import FORM, Answer, Peer, form, head, request

IMAGE = gray_png(0)
PLACES = 4
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Crowd:
    """A blocked model with as many requests as it has threads and queue places."""

    app: ListeningApp
    gate: Gate
    inside: list[Peer]

    def rejections(self) -> float:
        """Number of rejections in the metrics."""
        self.app.state["metrics"].settle()
        metrics = self.app.state["metrics"].registry
        labels = {"reason": "queue-full", "model": "cnn", "version": "1"}
        rejected = metrics.get_sample_value("duet_requests_rejected_total", labels) or 0.0
        counted = metrics.get_sample_value(
            "duet_http_requests_total", {"method": "POST", "route": "/predict", "status": "429"}
        )
        assert rejected == (counted or 0.0)
        return rejected


@pytest.fixture
async def crowd(home: Path) -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(listening_app(settings_for(home, queue_size=PLACES, threads=2)))
        queue = app.queue("cnn")
        gate = stack.enter_context(gated(queue))
        inside = []
        for number in range(2 + PLACES):
            peer = await stack.enter_async_context(await Peer.connect(app.address))
            inside.append(peer)
            await peer.send(request(IMAGE))
            if number < 2:
                await gate.held()
        await until(lambda: asyncio.sleep(0, queue.pending == PLACES))
        yield Crowd(app, gate, inside)
        gate.open()
        for peer in inside:
            assert (await peer.answer()).status == 200


async def sent_to(app: ListeningApp, message: bytes) -> Answer:
    async with await Peer.connect(app.address) as peer:
        await peer.send(message)
        return await peer.answer()


async def sent(crowd: Crowd, message: bytes) -> Answer:
    return await sent_to(crowd.app, message)


@pytest.fixture
def rejected_early(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Status codes of the rejections made by the protocol."""
    made = []
    reject = HttpProtocol._reject

    def noted(self: HttpProtocol, full: QueueFullError) -> None:
        made.append(problem_of(full).type.status)
        reject(self, full)

    monkeypatch.setattr(HttpProtocol, "_reject", noted)
    return made


def without_numbers(answer: Answer) -> tuple[int, dict[str, str], dict[str, object]]:
    changing = {"date", "x-request-id", "content-length", "connection"}
    headers = {name: value for name, value in answer.headers.items() if name not in changing}
    assert "date" in answer.headers
    body = answer.json()
    assert body.pop("request_id") == answer.headers["x-request-id"]
    body.pop("retry_after_ms")
    body["detail"] = body["detail"].partition(": try again in")[0]
    return answer.status, headers, body


async def test_rejection_equals_that_of_the_route(crowd: Crowd, rejected_early: list[int]) -> None:
    admission = await sent(crowd, request(IMAGE, "X-Request-ID: mine", f"traceparent: {TRACE}"))
    assert rejected_early == [429]
    assert admission.headers["x-request-id"] == "mine"
    route = await sent(crowd, request(IMAGE, "X-Request-ID: mine", f"traceparent: {TRACE}", "Connection: close"))
    assert rejected_early == [429]
    assert without_numbers(admission) == without_numbers(route)
    assert admission.headers["traceparent"] == TRACE
    assert int(admission.headers["retry-after"]) == math.ceil(admission.json()["retry_after_ms"] / 1000)
    assert crowd.rejections() == 2


async def test_rejection_has_an_access_line(
    crowd: Crowd, rejected_early: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, ACCESS_LOGGER):
        answer = await sent(crowd, request(IMAGE, path="/predict?model=cnn"))
    assert answer.status == 429
    assert rejected_early == [429]
    assert [record.getMessage() for record in caplog.records if record.name == ACCESS_LOGGER] == ["POST /predict 429"]


@pytest.mark.parametrize(
    "message",
    [
        head("Content-Length: 100000", "Content-Type: image/png") + b"x" * 100_000,
        request(form([IMAGE, IMAGE]), content_type=FORM),
        head("Transfer-Encoding: chunked", "Content-Type: image/png") + b"4\r\nabcd\r\n0\r\n\r\n",
        request(IMAGE) * 3,
    ],
    ids=["large", "form", "chunked", "several in one piece"],
)
async def test_connection_stays_usable_after_a_rejection(
    crowd: Crowd, rejected_early: list[int], message: bytes
) -> None:
    async with await Peer.connect(crowd.app.address) as peer:
        await peer.send(message)
        for _ in range(message.count(b"HTTP/1.1\r\n")):
            assert (await peer.answer()).status == 429
        assert rejected_early
        crowd.gate.open()
        for inside in crowd.inside:
            assert (await inside.answer()).status == 200
        crowd.inside.clear()
        await peer.send(request(IMAGE))
        assert (await peer.answer()).status == 200


async def test_body_after_a_rejection_is_ignored(crowd: Crowd) -> None:
    async with await Peer.connect(crowd.app.address) as peer:
        await peer.send(head(f"Content-Length: {len(IMAGE)}", "Content-Type: image/png"))
        assert (await peer.answer()).status == 429
        await peer.send(IMAGE[:50])
        await asyncio.sleep(0.01)
        await peer.send(IMAGE[50:] + request(IMAGE))
        assert (await peer.answer()).status == 429
        assert crowd.rejections() == 2


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (request(IMAGE, path="/predict?nonsense=1"), 422),
        (request(IMAGE, path="/predict?model=nobody"), 404),
        (request(IMAGE, path="/predictions"), 404),
        (request(IMAGE, path="/predict?version=1"), 429),
        (request(IMAGE, path="/compare"), 429),
    ],
    ids=["wrong query", "unknown model", "another path", "a version", "another route"],
)
async def test_other_requests_are_left_to_the_app(
    crowd: Crowd, rejected_early: list[int], message: bytes, status: int
) -> None:
    assert (await sent(crowd, message)).status == status
    assert rejected_early == []


async def test_pipelined_request_is_served_in_order(crowd: Crowd, rejected_early: list[int]) -> None:
    first = crowd.inside[0]
    await first.send(request(IMAGE))
    await asyncio.sleep(0.05)
    assert rejected_early == []
    crowd.gate.open()
    assert (await first.answer()).status == 200  # the fixture awaits its second


async def test_repeated_rejections_keep_the_connection(crowd: Crowd) -> None:
    reaper = SlowConnectionReaper(3)
    async with await Peer.connect(crowd.app.address) as peer:
        connections = crowd.app.server.server_state.connections
        for second in range(7):
            await peer.send(head(f"Content-Length: {len(IMAGE)}", "Content-Type: image/png"))
            assert (await peer.answer()).status == 429
            await peer.send(IMAGE)  # behind its refusal, as clients do that send head and body one by one
            await until(
                lambda: asyncio.sleep(
                    0, all(cast(HttpProtocol, one).timeout_keep_alive_task is None for one in connections)
                )
            )
            reaper.close_expired(connections, float(second))


async def test_http_1_0_is_rejected_and_closed(crowd: Crowd, rejected_early: list[int]) -> None:
    async with await Peer.connect(crowd.app.address) as peer:
        await peer.send(request(IMAGE, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
        refused = await peer.rest()
    assert refused.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nconnection: close\r\n" in refused
    assert rejected_early == []


async def test_rejection_follows_a_response_without_body(
    crowd: Crowd, rejected_early: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request arrives while the head of the response still waits for a body."""
    complete = HttpProtocol.on_response_complete
    following = [request(IMAGE)]

    def with_another(self: HttpProtocol) -> None:
        complete(self)
        if following:
            self.data_received(following.pop())

    async with await Peer.connect(crowd.app.address) as peer:
        monkeypatch.setattr(HttpProtocol, "on_response_complete", with_another)
        await peer.send(b"HEAD /livez HTTP/1.1\r\nHost: duet\r\n\r\n")
        await until(lambda: asyncio.sleep(0, rejected_early == [429]))
        peer.hang_up_sending()
        answers = await peer.rest()
    assert answers.index(b"HTTP/1.1 200 ") == 0
    assert answers.index(b"HTTP/1.1 429 ") > 0


async def test_draining_route_rejects_and_closes(crowd: Crowd, rejected_early: list[int]) -> None:
    crowd.app.state["lifecycle"].draining = True
    answer = await sent(crowd, request(IMAGE))
    assert answer.status == 429
    assert answer.headers["connection"] == "close"
    assert rejected_early == []


async def test_admitted_requests_count_until_they_are_queued(home: Path) -> None:
    async with listening_app(settings_for(home, queue_size=PLACES)) as app:
        engine = app.state["engine"]
        admitted = [engine.admit_champion("cnn") for _ in range(PLACES)]
        assert all(served is not None and served.family == "cnn" for served in admitted)
        with pytest.raises(QueueFullError):
            engine.admit_champion("cnn")
        assert engine.admit_champion("mlp") is not None
        assert engine.admit_champion("nobody") is None
        await asyncio.sleep(0)
        assert engine.admit_champion("cnn") is not None


async def test_admitted_request_is_matched_and_parsed_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def count(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counted(self: object, *arguments: object, **options: object) -> object:
            calls.append(name)
            return original(self, *arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    async with listening_app(settings_for(home)) as app:
        count(QueryParser, "__call__")
        count(Engine, "admit_champion")
        count(Engine, "admit")
        count(FastDispatch, "_match_template")
        assert (await sent_to(app, request(IMAGE))).status == 200
        assert calls == ["__call__", "admit_champion"]
        calls.clear()
        assert (await sent_to(app, request(IMAGE, path="/predict?version=1"))).status == 200
        assert calls == ["__call__", "__call__", "admit"]
