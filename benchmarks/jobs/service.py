"""`duet serve` with the broker and the worker that it starts itself, on a home of its own, and jobs sent to it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.jobs.stream import JobStream
from benchmarks.jobs.training import Training
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import HOST
from benchmarks.serving.processes import ServerProcess, free_port, server_process
from service.broker import embedded_url
from service.jobs.store.heartbeats import Heartbeats, WorkerReport
from service.jobs.store.redis_client import connect

KEY = "the-key-of-the-benchmark"
START_SECONDS = 120.0


class Job:
    """A job that was sent, and its stream."""

    def __init__(self, client: httpx.Client, port: int, job_id: str) -> None:
        self.stream = JobStream(port, job_id)
        self._client = client
        self._id = job_id

    def cancel(self) -> None:
        """Ask it to stop, and wait until it has.

        Raises:
            BenchmarkError: it ended by itself, or does not end.
        """
        answer = self._client.post(f"/jobs/{self._id}/cancel")
        if answer.is_error:
            raise BenchmarkError(f"a job could not be cancelled: {answer.text}")
        self.stream.wait("finished")


@dataclass(frozen=True)
class Service:
    """The service as it runs."""

    port: int
    worker: WorkerReport
    client: httpx.Client

    def train(self, training: Training) -> Job:
        """Send a training; its stream is read from now on.

        Raises:
            BenchmarkError: it is refused.
        """
        answer = self.client.post("/train", json=training.body)
        if answer.status_code != 202:
            raise BenchmarkError(f"/train: {answer.status_code} {answer.text}")
        return Job(self.client, self.port, answer.json()["id"])


@contextmanager
def running_service(
    home: Path, *, models: Path, data_dir: Path | None, job_nice: int, job_idle: bool
) -> Iterator[Service]:
    """Start the service over `home`, and stop it with everything it started.

    It is there when its models are warm and its worker could train.

    Raises:
        BenchmarkError: it does not come to that.
    """
    port = free_port()
    environment = {
        "DUET_HOME": str(home),
        "DUET_SHIPPED_MODELS": str(models),
        "DUET_API_KEYS": f"admin:{KEY}",
        "DUET_LOG_LEVEL": "warning",
        "DUET_JOB_NICE": str(job_nice),
        "DUET_JOB_IDLE": str(job_idle),
    }
    if data_dir is not None:
        environment["DUET_DATA_DIR"] = str(data_dir)
    command = [sys.executable, "-m", "duet", "serve", "--host", HOST, "--port", str(port)]
    cores = os.sched_getaffinity(0)
    with (
        server_process("duet", command, port=port, cores=cores, environment=environment, folder=home.parent) as server,
        httpx.Client(base_url=f"http://{HOST}:{port}", headers={"x-api-key": KEY}, timeout=60) as client,
    ):
        _wait_until_ready(server, client)
        yield Service(port, _wait_for_worker(server, home), client)


def _wait_until_ready(server: ServerProcess, client: httpx.Client) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        server.require_alive()
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise BenchmarkError(f"the service is not ready after {START_SECONDS:.0f} seconds: {server.log_tail()}")


def _wait_for_worker(server: ServerProcess, home: Path) -> WorkerReport:
    give_up = time.monotonic() + START_SECONDS
    reports: list[WorkerReport] = []
    with connect(embedded_url(home)) as client:
        while time.monotonic() < give_up:
            server.require_alive()
            reports = Heartbeats(client).all()
            if reports and reports[0].training.ready:
                return reports[0]
            time.sleep(0.05)
    reason = reports[0].training.reason if reports else server.log_tail()
    raise BenchmarkError(f"no worker can train after {START_SECONDS:.0f} seconds: {reason}")
