"""Slow clients: their connections are closed, and other clients are not affected."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from service.server.server import SlowConnectionReaper
from tests.support.children import wait_until
from tests.support.onnx_models import gray_png
from tests.support.service import ListeningApp, ServiceProcess, listening_app, service_process, settings_for, until
from tests.support.wire import FORM, Peer, form, head, request

IMAGE = gray_png(0)
A_SECOND = 1.0


@pytest.fixture
async def listening(home: Path) -> AsyncIterator[ListeningApp]:
    """A service with a timeout of one second for a request."""
    async with listening_app(settings_for(home, deadline_seconds=A_SECOND)) as app:
        yield app


async def drip(peer: Peer, data: bytes = b"") -> bytes:
    """Send `data`, then single bytes until the connection is closed; returns the response.

    A byte that arrives after the response resets the connection.
    """
    await peer.send(data)
    answered = asyncio.create_task(peer.until_reset())
    while not answered.done():
        with suppress(ConnectionError):
            await peer.send(b"x")
        await asyncio.wait([answered], timeout=0.05)
    return await answered


async def is_served(app: ListeningApp) -> bool:
    async with await Peer.connect(app.address) as peer:
        await peer.send(request(IMAGE))
        return (await peer.answer()).status == 200


async def until_alone(app: ListeningApp) -> None:
    state = app.server.server_state
    await until(lambda: asyncio.sleep(0, not state.connections and not state.tasks))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begun", "answers"),
    [
        pytest.param(b"POST /pre", 0, id="the first line"),
        pytest.param(head("Content-Type: image/png")[:-2] + b"X-Drip: ", 0, id="headers"),
        pytest.param(request(IMAGE) + b"POST /pre", 1, id="a second request"),
    ],
)
async def test_endless_head_closes_the_connection(listening: ListeningApp, begun: bytes, answers: int) -> None:
    async with await Peer.connect(listening.address) as slow:
        answered = asyncio.create_task(drip(slow, begun))
        assert await is_served(listening)
        assert (await answered).count(b"HTTP/1.1 ") == answers
        assert await is_served(listening)
    await until_alone(listening)


@pytest.mark.full
async def test_silent_connections_are_closed(listening: ListeningApp) -> None:
    silent = [await Peer.connect(listening.address) for _ in range(300)]
    for peer in silent[::2]:
        await peer.send(b"POST /predict HTTP/1.1\r\nX: ")
    assert await is_served(listening)
    assert [await peer.rest() for peer in silent] == [b""] * 300
    for peer in silent:
        peer.hang_up()
    await until_alone(listening)


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(request(bytes(5000))[:-4000], id="raw"),
        pytest.param(request(form([IMAGE, bytes(5000)]), content_type=FORM)[:-4000], id="a form"),
    ],
)
async def test_slow_body_gives_408_and_closes_the_connection(listening: ListeningApp, begun: bytes) -> None:
    async with await Peer.connect(listening.address) as slow:
        said = await drip(slow, begun)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"urn:duet:problem:body-timeout" in said
        assert b"connection: close" in said
    assert await is_served(listening)
    await until_alone(listening)


@pytest.mark.slow
@pytest.mark.parametrize("goes_on", [True, False], ids=["drips on", "falls silent"])
async def test_rest_of_a_rejected_body_is_not_awaited(listening: ListeningApp, goes_on: bool) -> None:
    async with await Peer.connect(listening.address) as slow:
        await slow.send(request(bytes(5000), path="/predict?model=vit")[:-4000])
        assert (await slow.answer()).status == 404
        await slow.send(b"x")  # from here on uvicorn no longer counts the time
        assert await (drip(slow) if goes_on else slow.rest()) == b""
    await until_alone(listening)


@pytest.mark.slow
async def test_pause_between_requests_keeps_the_connection(listening: ListeningApp) -> None:
    async with await Peer.connect(listening.address) as peer:
        for _ in range(3):
            await peer.send(request(IMAGE))
            assert (await peer.answer()).status == 200
            await asyncio.sleep(1.5 * A_SECOND)


async def test_only_stalled_connections_are_closed(home: Path) -> None:
    """With a fake clock and a limit of 10 seconds."""
    async with listening_app(settings_for(home, deadline_seconds=100)) as app:
        connections = app.server.server_state.connections
        reaper = SlowConnectionReaper(10.0)
        early, later, busy = [await Peer.connect(app.address) for _ in range(3)]
        await early.send(b"POST /predict HTTP/1.1\r\n")
        await busy.send(request(IMAGE))
        assert (await busy.answer()).status == 200
        await busy.send(b"POST ")
        await until(lambda: asyncio.sleep(0, len(connections) == 3))
        reaper.close_expired(connections, 0.0)

        # One begins late, one has an answer in the meantime: their time begins anew.
        newest = await Peer.connect(app.address)
        await busy.send(request(IMAGE)[len(b"POST ") :])
        assert (await busy.answer()).status == 200
        await busy.send(b"POST ")
        await until(lambda: asyncio.sleep(0, len(connections) == 4))
        reaper.close_expired(connections, 9.0)
        assert len(connections) == 4

        reaper.close_expired(connections, 10.0)
        assert await early.rest() == await later.rest() == b""
        await until(lambda: asyncio.sleep(0, len(connections) == 2))
        reaper.close_expired(connections, 18.9)
        await busy.send(request(IMAGE)[len(b"POST ") :])
        assert (await busy.answer()).status == 200

        reaper.close_expired(connections, 19.0)
        assert await newest.rest() == b""
        await until(lambda: asyncio.sleep(0, len(connections) == 1))
        for peer in (early, later, busy, newest):
            peer.hang_up()


async def test_request_in_progress_is_not_closed(home: Path) -> None:
    async with listening_app(settings_for(home, deadline_seconds=100)) as app:
        connections = app.server.server_state.connections
        reaper = SlowConnectionReaper(10.0)
        async with await Peer.connect(app.address) as peer:
            whole = request(IMAGE)
            await peer.send(whole[:-10])
            await until(lambda: asyncio.sleep(0, len(app.server.server_state.tasks) == 1))
            for now in (0.0, 50.0, 99.0):  # its route has a deadline of its own
                reaper.close_expired(connections, now)
            await peer.send(whole[-10:])
            assert (await peer.answer()).status == 200


async def test_idle_connection_stays_open_for_the_configured_time(home: Path) -> None:
    settings = settings_for(home, keep_alive_seconds=1)
    async with listening_app(settings) as app, await Peer.connect(app.address) as peer:
        await peer.send(request(IMAGE))
        assert (await peer.answer()).status == 200
        assert await asyncio.wait_for(peer.rest(), 10) == b""
    assert settings_for(home).keep_alive_seconds > 60


def test_exhausted_descriptors_are_logged_once_and_recover(home: Path) -> None:
    def said(service: ServiceProcess, text: str) -> list[dict[str, Any]]:
        return [line for line in service.log if text in line["message"]]

    with service_process(home) as service, ExitStack() as crowd:
        process = psutil.Process(service.process.pid)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 20, 4096))
        for _ in range(60):
            crowd.enter_context(socket.create_connection(service.address))
        wait_until(lambda: said(service, "no file descriptors are left") != [])
        crowd.close()
        wait_until(lambda: said(service, "available again") != [])
        assert httpx.get(f"{service.url}/livez").status_code == 200
        assert len(said(service, "no file descriptors are left")) == 1
