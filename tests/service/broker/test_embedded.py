"""Embedded broker with a real server: its files and socket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from service.broker import EmbeddedBroker, embedded_url
from service.broker.address import socket_path
from service.supervisor.restarting_process import RestartingProcess
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
    keeper = RestartingProcess(broker.prepare())
    keeper.start()
    try:
        wait_until(broker.answers)
        with Redis.from_url(broker.url, decode_responses=True) as client:
            yield client
    finally:
        keeper.stop()
        broker.clear()


def server_pid(client: Redis) -> int:
    return int(client.info("server")["process_id"])


def test_is_durable_forgets_nothing_and_is_private(home: Path) -> None:
    with running(home) as client:
        told = client.config_get("append*", "maxmemory-policy", "save", "port")
        assert told["appendonly"] == "yes"
        assert told["appendfsync"] == "always"
        assert (told["maxmemory-policy"], told["save"], told["port"]) == ("noeviction", "", "0")
        assert socket_path(home).parent == home / "broker"
        assert (home / "broker").stat().st_mode & 0o777 == 0o700
        assert socket_path(home).stat().st_mode & 0o077 == 0


def test_what_was_acknowledged_survives_sigkill_and_the_server_is_started_again(home: Path) -> None:
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


def test_what_cannot_be_kept_is_not_acknowledged(home: Path) -> None:
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


def test_a_home_with_a_long_path_has_its_socket_elsewhere_and_leaves_nothing_there(home: Path) -> None:
    long = home / ("x" * 100)
    with running(long) as client:
        client.set("kept", "here")
        runtime = socket_path(long).parent
        assert runtime.stat().st_mode & 0o777 == 0o700
        assert embedded_url(long).endswith("/broker.sock")
    assert not runtime.exists()
    with running(long) as client:
        assert client.get("kept") == "here"


def test_a_server_that_was_left_over_ends_before_the_new_one_reads_its_files(home: Path) -> None:
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


def test_two_servers_never_run_over_the_same_files(home: Path) -> None:
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
