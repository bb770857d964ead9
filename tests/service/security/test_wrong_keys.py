"""Delay of responses to wrong keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.errors import TooManyWrongKeysError
from service.security.wrong_keys import BURST, MAX_ADDRESSES, WrongKeys
from tests.support.problems import assert_problem
from tests.support.service import running_app, settings_for

ADDRESS = "192.0.2.1"
KEY = "a" * 16


class Clock:
    """A clock that stands still."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_further_wrong_keys_of_an_address_wait() -> None:
    clock = Clock()
    wrong = WrongKeys(clock)
    assert [wrong.delay(ADDRESS) for _ in range(BURST)] == [0.0] * BURST
    assert [wrong.delay(ADDRESS) for _ in range(5)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    for _ in range(3):
        with pytest.raises(TooManyWrongKeysError) as caught:
            wrong.delay(ADDRESS)
        assert caught.value.retry_after_ms == 1000
    assert wrong.delay("192.0.2.2") == 0.0
    clock.now += 1
    assert wrong.delay(ADDRESS) == 5.0
    clock.now += 3600
    assert [wrong.delay(ADDRESS) for _ in range(BURST + 1)] == [0.0] * BURST + [1.0]


def test_addresses_of_an_ipv6_network_count_together() -> None:
    wrong = WrongKeys(Clock())
    delays = [wrong.delay(f"2001:db8::{number:x}") for number in range(BURST + 1)]
    assert delays[-1] > 0
    assert wrong.delay("2001:db8:0:1::1") == 0.0


def test_addresses_are_bounded() -> None:
    wrong = WrongKeys(Clock())
    for number in range(3 * MAX_ADDRESSES):
        wrong.delay(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(wrong._due) == MAX_ADDRESSES


async def test_wrong_keys_are_delayed_and_correct_keys_are_not(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    async with running_app(settings_for(home, api_keys=f"admin:{KEY}")) as app:
        app.state["authenticator"].wrong_keys._now = Clock()
        monkeypatch.setattr(asyncio, "sleep", wait)
        for _ in range(BURST + 5):
            answer = await app.client.get("/session", headers={"x-api-key": "wrong"})
            assert_problem(answer, 401, "key-refused")
        assert waited[-5:] == [1.0, 2.0, 3.0, 4.0, 5.0]
        for method, path in (("GET", "/session"), ("POST", "/session"), ("POST", "/models/cnn/rollback")):
            answer = await app.client.request(method, path, headers={"authorization": "Bearer wrong"})
            assert_problem(answer, 429, "too-many-wrong-keys")
            assert answer.headers["retry-after"] == "1"
        count = len(waited)
        answer = await app.client.get("/session", headers={"x-api-key": KEY})
        assert (answer.status_code, waited[count:]) == (200, [])
