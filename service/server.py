"""Runs the app under uvicorn, and stops it without losing a request."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
import uvloop

from core.errors import ConfigurationError
from service.app import create_app
from service.logs import configure_logging
from service.settings import Settings
from service.state import Lifecycle

BACKLOG = 2048

log = logging.getLogger("duet.service")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted and return.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    listener = _listen(settings.host, settings.port)
    configure_logging(settings.log_level, settings.log_format)
    log.info("settings", extra={"settings": settings.model_dump(mode="json")})
    lifecycle = Lifecycle()
    config = uvicorn.Config(
        create_app(settings, lifecycle),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
    server = DrainingServer(config, lifecycle, settings.drain_notice_seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({reason}): set DUET_HOST and DUET_PORT to a free address"
        ) from error


class DrainingServer(uvicorn.Server):
    """Says that it is going before it goes.

    On the first signal /readyz answers 503 and every answer closes its connection, while requests are still taken;
    a notice period later the listener closes, accepted requests finish, and `serve` returns, so that the process
    ends with 0. A second signal ends the notice, a third the waiting.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, notice_seconds: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._notice_seconds = notice_seconds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on signals, where uvicorn would raise them again after its shutdown and so die of them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say where."""
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"Duet is listening on http://{shown}:{port}", flush=True)

    def _drain(self) -> None:
        if self._lifecycle.draining:
            self.force_exit = self.should_exit
            self.should_exit = True
            return
        log.info("draining: no longer ready")
        self._lifecycle.draining = True
        asyncio.get_running_loop().call_later(self._notice_seconds, self._stop_listening)

    def _stop_listening(self) -> None:
        self.should_exit = True
