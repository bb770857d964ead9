"""Limit, deadline and disconnect of explanations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.errors import ClientGoneError, DeadlineExceededError, TooManyExplanationsError, problem_of
from service.saliency.explainer import Explainer
from tests.support.explanations import at_once


class Client:
    """Fake connection that disconnects on request."""

    caller = "192.0.2.1"

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[Any]] = []

    def add(self, future: asyncio.Future[Any]) -> None:
        self.futures.append(future)

    def watch(self) -> None:
        """Do nothing: the connection is watched from the start."""


async def test_concurrent_explanations_are_limited() -> None:
    explainer, going_on = Explainer(at_once, max_explanations=2), asyncio.Event()

    async def work() -> int:
        await going_on.wait()
        return 3

    running = [asyncio.create_task(explainer.run_until(work, 1e9, Client())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyExplanationsError) as raised:
        explainer.check_capacity()
    assert raised.value.fields["retry_after_ms"] >= 1
    assert problem_of(raised.value).headers["Retry-After"] == "1"
    with pytest.raises(TooManyExplanationsError):
        await explainer.run_until(work, 1e9, Client())
    going_on.set()
    assert await asyncio.gather(*running) == [3, 3]
    explainer.check_capacity()


@pytest.mark.parametrize("reason", ["hang up", "deadline"])
async def test_explanation_stops_at_deadline_or_disconnect(reason: str) -> None:
    explainer, client, ended = Explainer(at_once, max_explanations=1), Client(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    if reason == "deadline":
        with pytest.raises(DeadlineExceededError):
            await explainer.run_until(work, 0.0, client)
        await asyncio.sleep(0)
    else:
        asking = asyncio.create_task(explainer.run_until(work, 1e9, client))
        while not client.futures:  # noqa: ASYNC110  set within in_time, which has no event for it
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.futures[0].set_exception(ClientGoneError("gone"))
        with pytest.raises(ClientGoneError):
            await asking
        await ended.wait()
    explainer.check_capacity()
