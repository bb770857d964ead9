from __future__ import annotations

import pytest

from core.schemas.keys import KeyLimits
from service.errors import CallerLimitError
from service.security.caller_limits import MAX_CALLERS, CallerLimits
from service.security.keys import NO_LIMITS

RATE = KeyLimits(requests_per_second=4)


class Clock:
    """Clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(limits: CallerLimits, count: int, own: KeyLimits = RATE, caller: str = "a") -> int:
    """Number of requests that are admitted before one is rejected."""
    for number in range(count):
        try:
            limits.admit(caller, own)
        except CallerLimitError:
            return number
    return count


def test_bucket_holds_the_requests_of_a_second() -> None:
    clock = Clock()
    limits = CallerLimits(NO_LIMITS, clock)
    assert admitted(limits, 10) == 4
    with pytest.raises(CallerLimitError, match="4 predictions per second") as caught:
        limits.admit("a", RATE)
    assert caught.value.retry_after_ms == 250
    assert caught.value.fields["limit"] == "requests_per_second"
    clock.now += 0.25
    assert admitted(limits, 10) == 1
    clock.now += 60
    assert admitted(limits, 10) == 4
    assert admitted(limits, 10, caller="b") == 4


def test_slow_rates_admit_one_request() -> None:
    clock = Clock()
    limits = CallerLimits(KeyLimits(requests_per_second=0.1), clock)
    assert admitted(limits, 5, NO_LIMITS) == 1
    clock.now += 9.9
    assert admitted(limits, 5, NO_LIMITS) == 0
    clock.now += 0.2
    assert admitted(limits, 5, NO_LIMITS) == 1


def test_own_limits_replace_the_defaults() -> None:
    limits = CallerLimits(KeyLimits(requests_per_second=2, concurrent_requests=1), Clock())
    assert admitted(limits, 10, NO_LIMITS) == 2
    assert admitted(limits, 10, RATE, "b") == 4
    limits.enter("c", KeyLimits(concurrent_requests=2))
    limits.enter("c", KeyLimits(concurrent_requests=2))


def test_concurrent_requests_are_limited_until_they_end() -> None:
    limits, own = CallerLimits(NO_LIMITS), KeyLimits(concurrent_requests=2)
    for _ in range(2):
        limits.admit("a", own)
        limits.enter("a", own)
    for check in (limits.admit, limits.enter):
        with pytest.raises(CallerLimitError, match="2 simultaneous predictions"):
            check("a", own)
    limits.enter("b", own)
    limits.leave("a")
    limits.enter("a", own)


def test_callers_are_forgotten() -> None:
    limits = CallerLimits(RATE, Clock())
    for number in range(2 * MAX_CALLERS):
        limits.admit(str(number), NO_LIMITS)
        limits.enter(str(number), NO_LIMITS)
        limits.leave(str(number))
    assert len(limits._due) == MAX_CALLERS
    assert not limits._running
