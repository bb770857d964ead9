from __future__ import annotations

import pytest

from service.engine.queue import DrainRate


def test_drain_rate_starts_with_its_initial_value() -> None:
    assert DrainRate(0.01).seconds_for(50) == pytest.approx(0.5)


def test_drain_rate_learns_a_steady_rate() -> None:
    throughput = DrainRate(1.0)
    for batch in range(1, 101):
        throughput.record(32, oldest_queued=0.0, finished=batch * 0.08)
    assert throughput.seconds_for(256) == pytest.approx(256 / 400, rel=1e-3)


def test_drain_rate_adds_up_two_threads() -> None:
    throughput = DrainRate(1.0)
    for batch in range(1, 101):  # each runs 0.08 s, one ends every 0.04 s
        throughput.record(32, oldest_queued=batch * 0.04 - 0.1, finished=batch * 0.04)
    assert throughput.seconds_for(800) == pytest.approx(1.0, rel=1e-3)


def test_drain_rate_ignores_idle_time() -> None:
    throughput = DrainRate(0.01)
    for hour in range(1, 50):
        throughput.record(1, oldest_queued=hour * 3600 - 0.01, finished=hour * 3600)
    assert throughput.seconds_for(1) == pytest.approx(0.01, rel=1e-6)


def test_drain_rate_counts_waits_for_other_models() -> None:
    throughput = DrainRate(0.01)
    for turn in range(1, 101):  # the model runs 0.01 s per image and waits as long for another one
        throughput.record(1, oldest_queued=(turn - 1) * 0.02, finished=turn * 0.02)
    assert throughput.seconds_for(1) == pytest.approx(0.02, rel=1e-3)
