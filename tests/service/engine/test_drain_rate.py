from __future__ import annotations

import pytest

from service.engine.drain_rate import DrainRate


def test_the_first_guess_holds_until_something_is_measured() -> None:
    assert DrainRate(0.01).seconds_for(50) == pytest.approx(0.5)


def test_a_steady_rate_is_learnt_whatever_the_guess() -> None:
    throughput = DrainRate(1.0)
    for batch in range(1, 101):
        throughput.record(32, oldest_queued=0.0, finished=batch * 0.08)
    assert throughput.seconds_for(256) == pytest.approx(256 / 400, rel=1e-3)


def test_two_threads_that_finish_in_turns_count_together() -> None:
    throughput = DrainRate(1.0)
    for batch in range(1, 101):  # each runs 0.08 s, one ends every 0.04 s
        throughput.record(32, oldest_queued=batch * 0.04 - 0.1, finished=batch * 0.04)
    assert throughput.seconds_for(800) == pytest.approx(1.0, rel=1e-3)


def test_idle_time_does_not_count() -> None:
    throughput = DrainRate(0.01)
    for hour in range(1, 50):
        throughput.record(1, oldest_queued=hour * 3600 - 0.01, finished=hour * 3600)
    assert throughput.seconds_for(1) == pytest.approx(0.01, rel=1e-6)


def test_time_spent_behind_another_model_counts() -> None:
    throughput = DrainRate(0.01)
    for turn in range(1, 101):  # the model runs 0.01 s per image and waits as long for another one
        throughput.record(1, oldest_queued=(turn - 1) * 0.02, finished=turn * 0.02)
    assert throughput.seconds_for(1) == pytest.approx(0.02, rel=1e-3)
