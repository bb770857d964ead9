from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker, running_broker
from tests.support.job_api import job_app
from tests.support.service import RunningApp


@pytest.fixture(scope="package")
def shared_broker() -> Iterator[Broker]:
    """Shared server for tests that do not kill it."""
    with running_broker() as broker:
        yield broker


@pytest.fixture
def broker(shared_broker: Broker) -> Broker:
    """The shared server, emptied."""
    with shared_broker.client() as client:
        client.flushall()
    return shared_broker


@pytest.fixture
async def jobs_app(home: Path, broker: Broker) -> AsyncIterator[RunningApp]:
    """The app over that broker, with keys for jobs and admin."""
    async with job_app(home, broker) as app:
        yield app


@pytest.fixture
def mortal_broker() -> Iterator[Broker]:
    """Server of one test, which may kill it."""
    with running_broker() as broker:
        yield broker
