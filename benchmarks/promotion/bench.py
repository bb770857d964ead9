"""A service, its clients, and the promotions and rollbacks that happen under them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.promotion.load import Answers, Load, requests_of
from benchmarks.promotion.results import Results, Switch, by_time
from benchmarks.serving.connection import run_loop
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import HOST
from benchmarks.serving.processes import ServerProcess, free_port, server_process

KEY = "the-key-of-the-benchmark"
READY_SECONDS = 120.0
FILES_AT_A_TIME = 4


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        home: whose `family` has versions 1, the champion, and 2, which answer differently.
        family: whose champion changes.
        pngs: the pictures that are sent.
        workers: API processes.
        clients: requests at a time.
        switches: how many, promotions and rollbacks in turn; more where that is too soon for `answers`.
        answers: how many requests at least.
        rest_seconds: how long to go on after every client has followed.
    """

    home: Path
    family: str
    pngs: Sequence[bytes]
    workers: int = 1
    clients: int = 200
    switches: int = 4
    answers: int = 5_000
    rest_seconds: float = 1.0


def run(plan: Plan) -> Results:
    """Start the service, load it, move its champion to and fro, and stop it.

    Raises:
        BenchmarkError: it does not start, or refuses a promotion.
    """
    port = free_port()
    environment = {
        "DUET_HOME": str(plan.home),
        "DUET_SHIPPED_MODELS": str(plan.home / "none"),
        "DUET_API_KEYS": f"admin:{KEY}",
        "DUET_WORKERS": str(plan.workers),
        "DUET_QUEUE_SIZE": str(16 * plan.clients),
        "DUET_DEADLINE_SECONDS": "60",
        "DUET_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "duet", "serve", "--host", HOST, "--port", str(port), "--no-worker"]
    cores = os.sched_getaffinity(0)
    with (
        server_process("duet", command, port=port, cores=cores, environment=environment, folder=plan.home) as server,
        httpx.Client(base_url=f"http://{HOST}:{port}", timeout=60) as client,
    ):
        _wait_until_ready(server, client)
        expected = _ask_beforehand(plan, client)
        return run_loop(_measure(plan, port, expected))


async def _measure(plan: Plan, port: int, expected: Answers) -> Results:
    requests = requests_of(f"/predict?model={plan.family}&top_k=1", plan.pngs, at_a_time=FILES_AT_A_TIME)
    load = Load(port, requests, expected, clients=plan.clients)
    switches: list[Switch] = []
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", headers={"x-api-key": KEY}, timeout=60) as client:
        await load.start()
        await asyncio.sleep(plan.rest_seconds)
        while len(switches) < plan.switches or len(load.seen) < plan.answers:
            promoting = len(switches) % 2 == 0
            switches.append(await _switch(client, plan.family, promoting=promoting))
            await load.settled(switches[-1].version)
            await asyncio.sleep(plan.rest_seconds)
        await load.finish()
    return Results(plan.workers, plan.clients, by_time(load.seen), tuple(switches))


async def _switch(client: httpx.AsyncClient, family: str, *, promoting: bool) -> Switch:
    body: dict[str, object] = {"reason": "of the benchmark"}
    path = f"/models/{family}/rollback"
    if promoting:
        path, body = f"/models/{family}/versions/2/promote", {**body, "force": True}
    asked = time.perf_counter()
    answer = await client.post(path, json=body)
    answered = time.perf_counter()
    if answer.status_code != 200:
        raise BenchmarkError(f"{path}: {answer.status_code} {answer.text}")
    moved = answer.json()
    return Switch(moved["promotion"]["action"], moved["promotion"]["to_version"], asked, answered, moved["served"])


def _ask_beforehand(plan: Plan, client: httpx.Client) -> Answers:
    """What each version answers to each picture, over a connection to one process."""
    answers = {}
    for version in (1, 2):
        for place, png in enumerate(plan.pngs):
            query = {"model": plan.family, "version": version, "top_k": 1}
            answer = client.post("/predict", params=query, content=png, headers={"content-type": "image/png"})
            if answer.status_code != 200:
                raise BenchmarkError(f"{plan.family}@{version} does not answer: {answer.text}")
            [prediction] = answer.json()["predictions"]
            answers[version, place] = prediction["label"], prediction["probability"]
    if all(answers[1, place] == answers[2, place] for place in range(len(plan.pngs))):
        raise BenchmarkError("both versions answer the same to all pictures, so that nothing could be told apart")
    return answers


def _wait_until_ready(server: ServerProcess, client: httpx.Client) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        server.require_alive()
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise BenchmarkError(f"the service is not ready after {READY_SECONDS:.0f} seconds: {server.log_tail()}")
