"""The server of one process: runs the app under uvicorn, and stops it without losing a request."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
import uvloop

from core.errors import ConfigurationError
from service.app import create_app
from service.http.lifecycle import Lifecycle
from service.observability.logging import configure_logging
from service.server.http_protocol import HttpProtocol
from service.server.idle_connections import SlowConnectionReaper
from service.settings import Settings

BACKLOG = 2048
LAST_REQUEST_SECONDS = 0.2
"""For how long, once nobody new is let in, a request is taken from those who are."""

log = logging.getLogger("duet.service")


def serve_as_worker(settings: Settings, on_listening: Callable[[str], None]) -> None:
    """Serve in this process beside other workers; `on_listening` is told the address once it takes requests.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    configure_logging(settings.log_level, settings.log_format)
    with bind_socket(settings, shared=True) as bound:
        serve_on(bound, settings, on_listening)


def serve_on(bound: socket.socket, settings: Settings, on_listening: Callable[[str], None]) -> None:
    """Serve on a socket until asked to stop; `on_listening` is told the address once it takes requests."""
    server = DrainingServer(settings, on_listening)
    _spare_the_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[bound]))


def _spare_the_collector() -> None:
    """Keep Python's cycle collector from walking the whole program every few requests.

    What is imported and built by now lives as long as the process. Requests make few cycles, so looking for them a
    hundredth as often bounds memory as well; with the defaults it took a twelfth of the request path.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def bind_socket(settings: Settings, *, shared: bool) -> socket.socket:
    """A socket bound to the address; where it is shared, the kernel deals connections out to all that listen there."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): set DUET_HOST and DUET_PORT to a "
            "free address"
        ) from error
    return listener


class DrainingServer(uvicorn.Server):
    """Says that it is going before it goes.

    On the first signal /readyz answers 503 and every answer closes its connection, while requests are still taken;
    a notice period later the listener closes, accepted requests finish, and `serve` returns, so that the process
    ends with 0. A second signal ends the notice, a third the waiting.

    Where uvicorn resets connections that the kernel has made and it has not accepted yet, and those whose request it
    has not read yet, these are served.
    """

    def __init__(self, settings: Settings, on_listening: Callable[[str], None]) -> None:
        """Make the app that `settings` ask for; `on_listening` is told the address once it takes requests."""
        self._lifecycle = Lifecycle()
        super().__init__(
            uvicorn.Config(
                create_app(settings, self._lifecycle),
                http=HttpProtocol,
                ws="none",
                lifespan="on",
                backlog=BACKLOG,
                log_config=None,
                access_log=False,
                # Nobody is trusted to name the client; behind a proxy, its own log has the addresses.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
            )
        )
        self._on_listening = on_listening
        self._notice_seconds = settings.drain_notice_seconds
        self._slow_connections = SlowConnectionReaper(settings.deadline_seconds)
        # A worker may be sent each signal twice, by whoever stops the service and by its parent, which ends it at last.
        self._is_alone = settings.workers == 1

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
            self._on_listening(f"http://{shown}:{port}")

    async def on_tick(self, counter: int) -> bool:
        """What is done ten times a second: as uvicorn, and once a second close what keeps it waiting."""
        if counter % 10 == 0:
            self._slow_connections.close_expired(self.server_state.connections, time.monotonic())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody new in, and answer everybody who is."""
        loop = asyncio.get_running_loop()
        waiting = [connection for listener in sockets or [] for connection in _made_already(listener)]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)
        give_up = loop.time() + LAST_REQUEST_SECONDS
        while self.server_state.connections and loop.time() < give_up and not self.force_exit:  # noqa: ASYNC110  uvicorn tells nobody
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(self.config, self.server_state, self.lifespan.state)

    def _drain(self) -> None:
        if self._lifecycle.draining:
            if self._is_alone:
                self.force_exit = self.should_exit
                self.should_exit = True
            return
        log.info("draining: no longer ready")
        self._lifecycle.draining = True
        asyncio.get_running_loop().call_later(self._notice_seconds, self._stop_listening)

    def _stop_listening(self) -> None:
        self.should_exit = True


def _made_already(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait to be accepted."""
    listener.setblocking(False)
    while True:
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError:  # none is left
            return
        yield connection
