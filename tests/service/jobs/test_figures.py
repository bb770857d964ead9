from __future__ import annotations

import asyncio
import os
import signal

from service.jobs import figures as figures_module
from service.jobs.figures import JobFiguresReader
from service.jobs.store.store import JobStore
from tests.support.broker import Broker
from tests.support.jobs import submit


async def test_concurrent_scrapes_share_one_read(store: JobStore, broker: Broker) -> None:
    reader = JobFiguresReader(broker.url)
    one, other = await asyncio.gather(reader.read(), reader.read())
    assert one is not None
    assert other is one
    submit(store)
    assert await reader.read() is one, "figures of less than a second are used again"
    await reader.close()


async def test_figures_are_read_again(store: JobStore, broker: Broker) -> None:
    reader = JobFiguresReader(broker.url)
    first = await reader.read()
    submit(store)
    reader._began -= figures_module.MIN_AGE_SECONDS
    second = await reader.read()
    assert first is not None
    assert second is not None
    assert (first.queued, second.queued) == ({}, {"train": 1})
    await reader.close()


async def test_broker_that_is_down_gives_no_figures_until_it_is_back(mortal_broker: Broker) -> None:
    reader = JobFiguresReader(mortal_broker.url)
    assert await reader.read() is not None
    for restart in (False, True):
        mortal_broker.restart() if restart else mortal_broker.kill()
        reader._began -= figures_module.MIN_AGE_SECONDS
        assert (await reader.read() is not None) is restart
    await reader.close()


async def test_broker_that_hangs_counts_as_down(mortal_broker: Broker) -> None:
    reader = JobFiguresReader(mortal_broker.url)
    assert await reader.read() is not None
    os.kill(mortal_broker.pid, signal.SIGSTOP)
    try:
        reader._began -= figures_module.MIN_AGE_SECONDS
        # Reads that are given up end by themselves, so that scrapes do not pile up.
        assert await reader.read() is None
        await reader.close()
    finally:
        os.kill(mortal_broker.pid, signal.SIGCONT)
