"""Cost of traces: Duet with 1 % of the requests sampled, over Duet without traces."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.common.http import HOST, requests_for
from benchmarks.common.report import BenchmarkError, Goal
from benchmarks.common.server import READY_REQUEST, Server, cpu_seconds
from benchmarks.common.wrk import Load, warm_up, wrk_load
from benchmarks.serving.servers import Setup, predict_path, start_served

THROUGHPUT, CPU = "traces at 1 %: requests/s over without", "traces at 1 %: CPU per request over without"
GOALS = (Goal(THROUGHPUT, ">=", 0.99),)
_CLIENTS = 32
_VARIABLES = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}


def tracing_figures(setup: Setup, seconds: float) -> dict[str, float]:
    """Load a service without and one with traces in turn: off, on, on, off, so that a drift of the machine cancels.

    Both run with default settings on the server core, and only one has requests at a time. The collector is a thread of
    this process, on the core of the load, that reads the spans and drops them.

    Raises:
        BenchmarkError: nothing was exported.
    """
    requests = requests_for("multipart", predict_path("duet", setup.model.manifest.family), setup.images.pngs)
    loads: dict[bool, list[tuple[Load, float]]] = {False: [], True: []}
    with (
        _collector() as received,
        start_served(setup, setup.cores.server) as without,
        start_served(
            setup,
            setup.cores.server,
            settings={**_VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{received.port}"},
        ) as tracing,
    ):
        servers = {False: without, True: tracing}
        for server in servers.values():
            server.wait_for_answer(READY_REQUEST)  # a champion that is still being loaded would disturb the load
            warm_up(server.port, requests, clients=_CLIENTS)
        for traced in (False, True, True, False):
            loads[traced].append(_load(servers[traced], requests, seconds))
        if not received.bytes:
            raise BenchmarkError(f"the service exported no spans: {tracing.log_tail()}")
    return ratios(loads[True], loads[False])


def ratios(traced: list[tuple[Load, float]], without: list[tuple[Load, float]]) -> dict[str, float]:
    """Ratio of the mean throughput and of the mean CPU time per request; each load has the server's CPU seconds."""
    return {
        THROUGHPUT: sum(load.per_second for load, _ in traced) / sum(load.per_second for load, _ in without),
        CPU: _per_request(traced) / _per_request(without),
    }


def _load(server: Server, requests: list[bytes], seconds: float) -> tuple[Load, float]:
    processes = server.processes()
    before = cpu_seconds(processes)
    load = wrk_load(server.port, requests, clients=_CLIENTS, seconds=seconds)
    server.require_alive()
    return load, cpu_seconds(processes) - before


def _per_request(loads: list[tuple[Load, float]]) -> float:
    return sum(cpu for _, cpu in loads) / sum(load.per_second * load.seconds for load, _ in loads)


class _Received:
    """Port of the collector, and the number of bytes that it has received."""

    def __init__(self) -> None:
        self.port = 0
        self.bytes = 0


@contextmanager
def _collector() -> Iterator[_Received]:
    received = _Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            received.bytes += len(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        received.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield received
        finally:
            server.shutdown()
