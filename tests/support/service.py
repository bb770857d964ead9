"""Service for tests over a small repository, in the test process or in a subprocess."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from starlette.types import Receive, Scope, Send

from service.app import create_app
from service.engine.queue import ModelQueue
from service.errors import NotReadyError
from service.server.server import DrainingServer
from service.settings import Settings
from service.state import AppState
from tests.support.onnx_models import write_onnx_version

URL = re.compile(r"http://\S+")


def write_home(home: Path) -> Path:
    """Write the champions cnn@1 and mlp@1, which is inverted, and return the models folder."""
    models = home / "models"
    write_onnx_version(models / "cnn" / "1", "cnn", 1)
    write_onnx_version(models / "mlp" / "1", "mlp", 1, inverted=True, test_answers=(0, 1, 2, 2, 2, 3))
    set_champions(models, cnn=1, mlp=1)
    return models


def write_int8_home(home: Path) -> Path:
    """Write the champions cnn@2, which has an int8 graph, and mlp@1, which has none, and return the models folder."""
    models = write_home(home)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, int8=True)
    set_champions(models, cnn=2, mlp=1)
    return models


def set_champions(models: Path, **champions: int) -> None:
    """Replace the alias file, as a promotion does."""
    staged = models / "aliases.staged"
    staged.write_text(json.dumps({"champions": champions}), encoding="utf-8")
    staged.replace(models / "aliases.json")


def settings_for(home: Path, **changes: Any) -> Settings:
    """Settings of a service over `home`, without shipped models, that follows promotions quickly."""
    values: dict[str, Any] = {
        "allowed_hosts": "duet",
        "poll_seconds": 0.01,
        "threads": 2,
        "drain_notice_seconds": 0.2,
        "providers": "cpu",
    }
    return Settings(**({"home": home, "shipped_models": home / "none"} | values | changes))


@dataclass(frozen=True)
class _App:
    state: AppState

    async def is_loaded(self) -> bool:
        """Return whether the service is ready, without /readyz: FastAPI prepares all routes up to it for 0.1 s."""
        try:
            return bool(self.state["engine"].models.readiness())
        except NotReadyError:
            return False

    def queue(self, family: str) -> ModelQueue:
        """Return the queue of the family's champion."""
        return self.state["engine"].models.champions[family].default.queue


@dataclass(frozen=True)
class RunningApp(_App):
    """An app whose lifespan has begun, and a client that calls it without a network."""

    client: httpx.AsyncClient

    async def is_ready(self) -> bool:
        """Return whether /readyz reports ready."""
        return (await self.client.get("/readyz")).status_code == 200


@dataclass(frozen=True)
class ListeningApp(_App):
    """An app behind a real socket, in the event loop of the test."""

    server: DrainingServer
    listener: socket.socket

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.listener.getsockname()
        return host, port


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` is true; the test's timeout limits the wait."""
    while not await condition():  # noqa: ASYNC110  an event of another task or process
        await asyncio.sleep(0.005)


@asynccontextmanager
async def running_app(settings: Settings, *, ready: bool = True) -> AsyncIterator[RunningApp]:
    """Run the app in this event loop; with `ready`, wait until champions are loaded."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://duet") as client:
            running = RunningApp(state, client)  # type: ignore[arg-type]
            if ready:
                await until(running.is_loaded)
            yield running


@asynccontextmanager
async def listening_app(settings: Settings) -> AsyncIterator[ListeningApp]:
    """Serve in this event loop on a free port, and wait until the champions are loaded."""
    server = DrainingServer(settings, on_listening=lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        try:

            async def is_ready() -> bool:
                assert not serving.done(), serving.exception()
                try:
                    return server.started and all(
                        model.reason is None for model in server.lifespan.state["engine"].models.readiness()
                    )
                except NotReadyError:
                    return False

            await until(is_ready)
            yield ListeningApp(server.lifespan.state, server, bound)
        finally:
            server.should_exit = True
            await serving


class ServiceProcess:
    """`duet serve` as a child process, listening on a free port."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.log: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = httpx.URL(self.url)
        assert url.port
        return url.host, url.port

    @property
    def workers(self) -> list[int]:
        """Process ids of its API processes, if it has several."""
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in children if any("spawn_main" in word for word in command_line(child))]

    @property
    def listeners(self) -> int:
        """Number of sockets that listen on its port."""
        lines = Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]
        places = [line.split()[1] for line in lines if line.split()[3] == "0A"]
        return sum(int(place.split(":")[1], 16) == self.address[1] for place in places)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until it has ended and its whole log is in `log`; return the exit status."""
        status = self.process.wait(30)
        self._reader.join(30)
        return status

    def _read_log(self) -> None:
        assert self.process.stderr
        other = []
        for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except json.JSONDecodeError:
                other.append(line)
        assert not other, f"lines of the log that are not JSON: {''.join(other)}"


def child_processes(pid: int) -> list[int]:
    """Return the process ids of the children of a process; none if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def command_line(process: psutil.Process) -> list[str]:
    """Return the words of a command line; none if the process has ended."""
    with suppress(psutil.NoSuchProcess):
        return list(process.cmdline())
    return []


@contextmanager
def service_process(home: Path, port: int = 0, /, **environment: str) -> Iterator[ServiceProcess]:
    """Start `duet serve` over `home` and wait until it is ready; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "duet", "serve", "--port", str(port)],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("DUET_")},
            "DUET_HOME": str(home),
            "DUET_SHIPPED_MODELS": str(home / "none"),
            "DUET_EMBEDDED_BROKER": "0",
            "DUET_ALLOWED_HOSTS": "duet",
            "DUET_PROVIDERS": "cpu",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        service = None
        try:
            assert process.stdout
            found = URL.search(process.stdout.readline())
            assert found, process.stderr.read() if process.stderr else ""
            service = ServiceProcess(process, found.group())
            while service.listeners < int(environment.get("DUET_WORKERS", "1")):
                time.sleep(0.01)
            transport = httpx.HTTPTransport(retries=3)
            with httpx.Client(base_url=service.url, transport=transport, timeout=30) as client:
                while client.get("/readyz").status_code != 200:
                    time.sleep(0.01)  # requests without a pause delay the start
            yield service
        finally:
            process.kill()
            if service is not None:
                service.wait()
