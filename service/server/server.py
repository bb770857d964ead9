"""Server of one process: runs the app under uvicorn and drains accepted requests before it stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from core.errors import ConfigurationError
from service.app import create_app
from service.http.admission import HttpProtocol
from service.http.middleware import Lifecycle
from service.server.exit_watchdog import ExitWatchdog
from service.settings import DRAIN_SECONDS, Settings

BACKLOG = 2048
LAST_REQUEST_SECONDS = 0.2
"""Time during which requests are still read from open connections after the listener has closed."""

log = logging.getLogger("duet.service")


def serve_on(bound: socket.socket, settings: Settings, on_listening: Callable[[str], None]) -> None:
    """Serve on a socket until asked to stop; `on_listening` is called with the URL when requests are accepted."""
    watchdog = ExitWatchdog()
    server = DrainingServer(settings, on_listening, on_closing=watchdog.start)
    _tune_gc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[bound]))
        watchdog.start()
    watchdog.cancel()


def _tune_gc() -> None:
    """Reduce the cost of Python's cycle collector, which takes a twelfth of the request time with its defaults.

    Objects that exist at start are frozen, because they live as long as the process. Requests create few cycles, so
    the collector runs a hundredth as often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def bind_socket(settings: Settings, *, shared: bool) -> socket.socket:
    """Create a socket bound to the address; if `shared`, the kernel distributes connections over all listeners."""
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


class SlowConnectionReaper:
    """Closes connections that make no progress outside of a request.

    uvicorn only limits the idle time between two requests. An unfinished head, or the rest of a rejected body, would
    keep its connection open forever.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._since: dict[HttpToolsProtocol, tuple[RequestResponseCycle | None, float]] = {}

    def close_expired(self, connections: Iterable[object], now: float) -> None:
        """Close connections that have made no progress for `timeout_seconds`; call it regularly.

        Args:
            connections: all open connections.
            now: seconds of a monotonic clock.
        """
        waiting = [each for each in connections if isinstance(each, HttpToolsProtocol) and _is_stalled(each)]
        before, self._since = self._since, {}
        for connection in waiting:
            last_cycle, since = before.get(connection, (None, now))
            if last_cycle is not connection.cycle:
                since = now  # a request was completed in the meantime
            self._since[connection] = (connection.cycle, since)
            if now - since >= self._timeout_seconds and connection in before:
                connection.transport.close()


def _is_stalled(connection: HttpToolsProtocol) -> bool:
    """Return whether no request is in progress and uvicorn has no timer for the connection."""
    idle = connection.cycle is None or connection.cycle.response_complete
    return idle and connection.timeout_keep_alive_task is None


class DescriptorWatch:
    """Logs when the process has no file descriptors left: the event loop then accepts no connection, without a word."""

    def __init__(self) -> None:
        self._exhausted = False

    def check(self, connections: int) -> None:
        """Log the begin and the end of an exhaustion; call it regularly with the number of open connections."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if not self._exhausted:
                log.error(
                    "no file descriptors are left (%s), new connections wait: raise the limit (ulimit -n), or limit "
                    "the connections of a client at a proxy",
                    error.strerror,
                    extra={"connections": connections, "limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0]},
                )
            self._exhausted = True
        else:
            if self._exhausted:
                log.warning("file descriptors are available again", extra={"connections": connections})
            self._exhausted = False


class DrainingServer(uvicorn.Server):
    """uvicorn server with graceful shutdown.

    On the first signal, /readyz responds 503 and every response closes its connection, while requests are still
    accepted. After a notice period the listener closes, accepted requests finish, and `serve` returns with exit code
    0. A second signal ends the notice period, a third cancels the remaining requests.

    uvicorn resets connections that are not accepted yet or whose request is not read yet; this server serves them.
    """

    def __init__(
        self,
        settings: Settings,
        on_listening: Callable[[str], None],
        *,
        on_closing: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the app.

        Args:
            settings: settings of the service.
            on_listening: called with the URL as soon as requests are accepted.
            on_closing: called after the last request.
        """
        self._lifecycle = Lifecycle(on_closing=on_closing)
        super().__init__(
            uvicorn.Config(
                create_app(settings, self._lifecycle),
                http=HttpProtocol,
                ws="none",
                lifespan="on",
                backlog=BACKLOG,
                log_config=None,
                access_log=False,
                # X-Forwarded-For is not trusted; behind a proxy, the log of the proxy has the addresses.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                timeout_keep_alive=settings.keep_alive_seconds,
            )
        )
        self._on_listening = on_listening
        self._notice_seconds = settings.drain_notice_seconds
        self._slow_connections = SlowConnectionReaper(settings.deadline_seconds)
        self._descriptors = DescriptorWatch()
        # With several workers, each may receive a signal twice: from outside and from its parent, which kills it last.
        self._is_alone = settings.workers == 1

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on signals; uvicorn would raise them again after its shutdown and end with a signal exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then call `on_listening`."""
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            self._on_listening(f"http://{shown}:{port}")

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's tick, ten times a second; once a second it also closes expired connections and logs exhaustion."""
        if counter % 10 == 0:
            self._descriptors.check(len(self.server_state.connections))
            self._slow_connections.close_expired(self.server_state.connections, time.monotonic())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listener and serve all open connections."""
        loop = asyncio.get_running_loop()
        waiting = [connection for listener in sockets or [] for connection in _unaccepted(listener)]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)
        give_up = loop.time() + LAST_REQUEST_SECONDS
        while self.server_state.connections and loop.time() < give_up and not self.force_exit:  # noqa: ASYNC110  uvicorn has no event for this
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


def _unaccepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Connections in the backlog of the listener."""
    listener.setblocking(False)
    while True:
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError:  # none is left
            return
        yield connection
