from __future__ import annotations

from service.supervisor.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(max_seconds=3)
    assert [backoff.pause(0.1) for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_what_ran_for_long_is_started_again_as_soon_as_at_first() -> None:
    backoff = Backoff()
    assert [backoff.pause(1) for _ in range(3)] == [0.5, 1, 2]
    assert backoff.pause(31) == 0.5
    assert backoff.pause(1) == 1
