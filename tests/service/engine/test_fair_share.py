"""Fair shares of callers, in simulated time: the real queue, and a model with a fixed time per image."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

import numpy as np
import pytest

from service.engine.fair_share import CREDIT_SECONDS, MAX_IDLE_CALLERS, SHARED_SECONDS, FairShare
from service.engine.queue import BatchSlice, ModelQueue, PendingRequest
from tests.service.engine.models import images, queue

QUEUE_SIZE = 96
MAX_BATCH = 32


class Client:
    """Fake connection of a caller."""

    def __init__(self, caller: str) -> None:
        self.caller = caller

    def add(self, future: asyncio.Future[Any]) -> None:
        pass

    def watch(self) -> None:
        pass


def request(caller: str, count: int = 1, at: float = 0.0) -> PendingRequest:
    future = asyncio.get_running_loop().create_future()
    return PendingRequest(images(*range(count)), future, at, at + 1e9, Client(caller))


def put(cnn: ModelQueue, share: FairShare, *callers: str, at: float = 0.0) -> None:
    for caller in callers:
        share.arrive(caller, at)
        cnn.put(request(caller))


def callers_of(batch: Sequence[BatchSlice]) -> list[str]:
    return [part.request.caller for part in batch]


@dataclass
class Simulation:
    """One model that runs a batch after the other; the time of a batch is proportional to its images."""

    seconds_per_image: float
    latencies: dict[str, list[float]] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)

    def run(self, arrivals: Iterator[tuple[float, str]]) -> None:
        cnn, share, now = queue(lambda _: np.zeros((1, 1), np.float32)), FairShare(), 0.0
        cnn.drain_rate._seconds_per_image = self.seconds_per_image
        waiting = next(arrivals, None)
        while waiting is not None or cnn.pending:
            while waiting is not None and (waiting[0] <= now or not cnn.pending):
                now = max(now, waiting[0])
                self._admit(cnn, share, *waiting)
                waiting = next(arrivals, None)
            batch = cnn.take(MAX_BATCH, now, share)
            now += self.seconds_per_image * len(batch)
            for part in batch:
                self.latencies.setdefault(part.request.caller, []).append(now - part.request.queued)

    def _admit(self, cnn: ModelQueue, share: FairShare, at: float, caller: str) -> None:
        if cnn.pending >= QUEUE_SIZE:
            if not cnn.room_for(caller, cnn.pending_of(caller) + 1):
                self.rejected[caller] = self.rejected.get(caller, 0) + 1
                return
            displaced = cnn.displace()
            self.rejected[displaced.caller] = self.rejected.get(displaced.caller, 0) + 1
        share.arrive(caller, at)
        cnn.put(request(caller, at=at))

    def p99(self, caller: str) -> float:
        return float(np.percentile(self.latencies[caller], 99))


def poisson(caller: str, per_second: float, seconds: float, seed: int) -> list[tuple[float, str]]:
    gaps = np.random.default_rng(seed).exponential(1 / per_second, int(2 * per_second * seconds))
    return [(float(at), caller) for at in np.cumsum(gaps) if at < seconds]


@pytest.mark.parametrize("seconds_per_image", [0.009, 0.001])
async def test_heavy_caller_keeps_p99_of_another(seconds_per_image: float) -> None:
    capacity, seconds = 1 / seconds_per_image, 2000 * seconds_per_image
    modest = poisson("modest", 0.2 * capacity, seconds, seed=1)
    alone, beside = Simulation(seconds_per_image), Simulation(seconds_per_image)
    alone.run(iter(modest))
    beside.run(merge(modest, poisson("heavy", 10 * capacity, seconds, seed=2)))
    assert beside.p99("modest") <= 1.5 * alone.p99("modest")
    assert len(beside.latencies["modest"]) == len(modest)
    assert len(beside.latencies["heavy"]) > 0.9 * 0.8 * capacity * seconds


async def test_two_heavy_callers_get_equal_shares() -> None:
    simulation = Simulation(0.005)
    simulation.run(merge(poisson("a", 2000, 5, seed=1), poisson("b", 600, 5, seed=2)))
    served = {caller: len(latencies) for caller, latencies in simulation.latencies.items()}
    assert served["a"] == pytest.approx(served["b"], rel=0.05)
    assert sum(served.values()) == pytest.approx(1000, rel=0.1)


async def test_single_caller_fills_batches_in_order() -> None:
    cnn, share = queue(lambda _: np.zeros((1, 1), np.float32)), FairShare()
    put(cnn, share, *["one"] * 40)
    batch = cnn.take(MAX_BATCH, 0.0, share)
    assert len(batch) == MAX_BATCH
    assert [part.request for part in batch] == sorted((part.request for part in batch), key=lambda each: each.queued)
    assert cnn.pending == 8


async def test_batches_are_short_while_callers_share() -> None:
    cnn, share = queue(lambda _: np.zeros((1, 1), np.float32)), FairShare()
    cnn.drain_rate.record(1, oldest_queued=0.0, finished=0.01)
    put(cnn, share, "heavy", "modest", *["heavy"] * 40)
    assert callers_of(cnn.take(MAX_BATCH, 0.0, share)) == ["heavy", "modest"]
    assert callers_of(cnn.take(MAX_BATCH, 0.1, share)) == ["heavy"]
    assert len(cnn.take(MAX_BATCH, SHARED_SECONDS, share)) == MAX_BATCH


async def test_idle_caller_goes_first_within_its_credit() -> None:
    share = FairShare()
    share.arrive("busy", 0.0)
    for _ in range(100):
        share.advance("busy")
        share.charge("busy", 0.01)
    share.arrive("idle", 1.0)
    assert share.virtual_time("busy") - share.virtual_time("idle") == pytest.approx(CREDIT_SECONDS + 0.01)


async def test_callers_that_left_are_forgotten() -> None:
    share = FairShare()
    for number in range(3 * MAX_IDLE_CALLERS):
        caller = str(number)
        share.arrive(caller, 0.0)
        share.advance(caller)
        share.charge(caller, 1.0)
        share.advance(caller)
    assert len(share._received) <= MAX_IDLE_CALLERS + 1


async def test_displaced_request_is_newest_of_largest_caller() -> None:
    cnn, share = queue(lambda _: np.zeros((1, 1), np.float32)), FairShare()
    put(cnn, share, "few", *["many"] * 5)
    assert cnn.room_for("few", 2) == 3
    assert cnn.room_for("many", 6) == 0
    displaced = cnn.displace()
    assert displaced.caller == "many"
    assert cnn.pending == 5
    assert callers_of(cnn.take(MAX_BATCH, SHARED_SECONDS, share)).count("many") == 4
