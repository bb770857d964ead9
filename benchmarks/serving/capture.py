"""Cost of capture: throughput and latency of Duet with 10 % of the requests captured, over those without capture."""

from __future__ import annotations

from benchmarks.common.http import requests_for
from benchmarks.common.report import BenchmarkError, Goal
from benchmarks.common.server import READY_REQUEST
from benchmarks.common.wrk import Load, warm_up, wrk_load
from benchmarks.serving.servers import Setup, predict_path, start_served
from service.traffic.reader import TrafficReader

SHARE = 0.1
THROUGHPUT, P99 = "capture at 10 %: requests/s over without", "capture at 10 %: p99 over without"
GOALS = (Goal(THROUGHPUT, ">=", 0.95), Goal(P99, "<=", 1.05))
_CLIENTS = 32


def capture_figures(setup: Setup, seconds: float, number: int) -> dict[str, float]:
    """Load a service without and one with capture in turn: off, on, on, off, so that a drift of the machine cancels.

    Both run with default settings on the server core, and only one has requests at a time.

    Raises:
        BenchmarkError: nothing was captured.
    """
    requests = requests_for("multipart", predict_path("duet", setup.model.manifest.family), setup.images.pngs)
    home = setup.folder / f"capture-{number}"
    home.mkdir()
    settings = {"DUET_CAPTURE_SHARE": str(SHARE)}
    loads: dict[bool, list[Load]] = {False: [], True: []}
    with (
        start_served(setup, setup.cores.server) as without,
        start_served(setup, setup.cores.server, settings=settings, home=home) as capturing,
    ):
        servers = {False: without, True: capturing}
        for server in servers.values():
            server.wait_for_answer(READY_REQUEST)  # a champion that is still being loaded would disturb the load
            warm_up(server.port, requests, clients=_CLIENTS)
        for captured in (False, True, True, False):
            loads[captured].append(wrk_load(servers[captured].port, requests, clients=_CLIENTS, seconds=seconds))
            servers[captured].require_alive()
    if not TrafficReader(home).read_new(limit=1):
        raise BenchmarkError(f"the service captured nothing: {capturing.log_tail()}")
    return ratios(loads[True], loads[False])


def ratios(with_capture: list[Load], without: list[Load]) -> dict[str, float]:
    """Ratio of the mean throughput and of the mean p99."""
    return {
        THROUGHPUT: sum(load.per_second for load in with_capture) / sum(load.per_second for load in without),
        P99: sum(load.p99_ms for load in with_capture) / sum(load.p99_ms for load in without),
    }
