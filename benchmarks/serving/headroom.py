"""How fast the load generator is on its own: what comes near that is not a figure of the server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.serving.errors import LeftOutError
from benchmarks.serving.processes import free_port, server_process
from benchmarks.serving.results import Load
from benchmarks.serving.targets import wait_until_ready

ClosedLoop = Callable[..., Load]
MAX_OF_ITS_RATE = 0.5
_CLIENTS = 32
_SECONDS = 1.0


def generator_rate(closed_loop: ClosedLoop, requests: Sequence[bytes], *, core: int, folder: Path) -> float:
    """Requests per second that the generator makes of a server on `core` that does next to nothing.

    It is a lower bound: the trivial server may be the slower of the two.
    """
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.serving.trivial_server", "--port", str(port)]
    with server_process("trivial", command, port=port, cores={core}, environment={}, folder=folder) as server:
        wait_until_ready(server, requests[0])
        return closed_loop(port, requests, clients=_CLIENTS, seconds=_SECONDS).per_second


def require_headroom(load: Load, generator_per_second: float) -> None:
    """Refuse a figure that the generator may have limited.

    Raises:
        LeftOutError: the load came nearer to the generator's own rate than is safe.
    """
    if load.per_second > MAX_OF_ITS_RATE * generator_per_second:
        raise LeftOutError(
            f"{load.per_second:,.0f} requests/s is more than {MAX_OF_ITS_RATE:.0%} of the "
            f"{generator_per_second:,.0f} that the load generator reaches by itself"
        )
