"""Graceful shutdown: after SIGTERM under load, every request is served and the process exits with 0."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from tests.support.callers import calling
from tests.support.onnx_models import gray_png
from tests.support.service import listening_app, service_process, settings_for, until
from tests.support.wire import Peer, answer_on, request

CALLERS = 12
WHITE = request(gray_png(255))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"DUET_THREADS": "1"}, id="on the event loop"),
        pytest.param({"DUET_THREADS": "2"}, id="on threads"),
        pytest.param({"DUET_WORKERS": "2", "DUET_THREADS": "1"}, id="two workers"),
    ],
)
def test_stop_under_load_fails_no_request(home: Path, settings: dict[str, str]) -> None:
    with (
        service_process(home, DUET_DRAIN_NOTICE_SECONDS="1", **settings) as service,
        calling(service.address, CALLERS) as callers,
    ):
        while any(caller.answered < 20 and caller.failure is None for caller in callers):
            time.sleep(0.01)
        service.terminate()
        for caller in callers:
            caller.join(60)
        assert [caller.failure for caller in callers] == [None] * CALLERS
        assert all(caller.was_closed for caller in callers)
        assert service.wait() == 0
    assert not [line for line in service.log if line["level"] in ("warning", "error")]
    answered = [line for line in service.log if line["message"] == "POST /predict 200"]
    assert len(answered) == sum(caller.answered for caller in callers)


async def test_connections_in_the_backlog_are_served(home: Path) -> None:
    """Three connections: one without any data, one with half a head, and one that is not accepted yet."""
    async with listening_app(settings_for(home, threads=1)) as app:
        state, address = app.server.server_state, app.address
        silent, in_its_head = [await Peer.connect(address) for _ in range(2)]
        await in_its_head.send(WHITE[:30])
        await until(lambda: asyncio.sleep(0, len(state.connections) == 2))
        not_accepted = socket.socket()

        async def last_tick(counter: int) -> bool:
            # From here to the closing of the listener the event loop does not turn.
            not_accepted.connect(address)
            not_accepted.sendall(WHITE)
            assert len(state.connections) == 2
            return True

        app.state["lifecycle"].draining = True
        app.server.on_tick = last_tick  # type: ignore[method-assign]
        await until(lambda: asyncio.sleep(0, app.listener.fileno() == -1))
        await silent.send(WHITE)
        await in_its_head.send(WHITE[30:])
        answers = [await silent.answer(), await in_its_head.answer()]
        with not_accepted:
            answers.append(await asyncio.to_thread(answer_on, not_accepted))
        for answer in answers:
            assert answer.json()["predictions"][0]["label"] == "white"
            assert answer.headers["connection"] == "close"
        assert await silent.rest() == await in_its_head.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(address)
        silent.hang_up()
        in_its_head.hang_up()


async def test_idle_connection_does_not_delay_shutdown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.server.server.DRAIN_SECONDS", 600)
    async with listening_app(settings_for(home)) as app:
        silent, idle = [await Peer.connect(app.address) for _ in range(2)]
        await idle.send(WHITE)
        assert (await idle.answer()).status == 200
        app.server.should_exit = True
        assert await silent.rest() == await idle.rest() == b""
        silent.hang_up()
        idle.hang_up()
