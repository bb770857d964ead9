"""The broker of one `DUET_HOME`: its folder, its configuration, and whether it answers."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from core.files.home import ensure_home
from service.broker.address import broker_folder, embedded_url, ensure_private, socket_path
from service.broker.binary import server_binary
from service.supervisor.program import Program

_ANSWER_SECONDS = 1.0
_STOP_SECONDS = 10.0


class EmbeddedBroker:
    """Describes the server to whoever runs it. What it acknowledged survives SIGKILL and a power cut."""

    def __init__(self, home: Path) -> None:
        """Nothing is created or started yet.

        Args:
            home: `DUET_HOME`, absolute.
        """
        self._home = home
        self._folder = broker_folder(home)
        self._socket = socket_path(home)
        self.url = embedded_url(home)

    def prepare(self) -> Program:
        """Create its folders and name its program.

        A server that still runs over the same files, left over by a service that was killed where the system ends no
        orphans, is told to stop; the new one waits for the lock on the files.

        Raises:
            ConfigurationError: there is no server program, or the folders cannot be used.
        """
        binary = server_binary()
        ensure_home(self._home)
        ensure_private(self._folder)
        ensure_private(self._socket.parent)
        with suppress(OSError):
            self._say(b"SHUTDOWN\r\n")
        return Program(
            name="broker",
            command=(str(binary), *self._options()),
            folder=self._folder,
            output=self._folder / "log.txt",
            lock=self._folder / "server.lock",
            stop_seconds=_STOP_SECONDS,
        )

    def answers(self) -> bool:
        """Whether it takes commands now; while it reads its file, it does not."""
        try:
            return self._say(b"PING\r\n").startswith(b"+PONG")
        except OSError:
            return False

    def clear(self) -> None:
        """Remove the runtime folder of the socket, where it needed one; the server has ended."""
        if self._socket.parent != self._folder:
            self._socket.unlink(missing_ok=True)
            self._socket.parent.rmdir()

    def _options(self) -> list[str]:
        # Synced before it is acknowledged: a job that was answered with 202, and a fencing token that was handed out,
        # must not be taken back by a power cut. Jobs write a few times a second, so this costs nothing that is felt.
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        # Full memory must refuse new jobs rather than forget some.
        careful = ["--maxmemory-policy", "noeviction"]
        # Over no network; the folder's mode says who may come in.
        private = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        return [*private, *durable, *careful, "--dir", str(self._folder), "--daemonize", "no", "--loglevel", "warning"]

    def _say(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(self._socket))
            connection.sendall(command)
            return connection.recv(64)
