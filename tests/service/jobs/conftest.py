from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.jobs.store.store import JobStore
from tests.support.broker import Broker, running_broker


@pytest.fixture(scope="module")
def shared_broker() -> Iterator[Broker]:
    """Shared server for the tests of a file that do not kill it."""
    with running_broker() as broker:
        yield broker


@pytest.fixture
def broker(shared_broker: Broker) -> Broker:
    """The shared server, emptied."""
    with shared_broker.client() as client:
        client.flushall()
    return shared_broker


@pytest.fixture
def mortal_broker() -> Iterator[Broker]:
    """Server of one test, which may kill it."""
    with running_broker() as broker:
        yield broker


@pytest.fixture
def store(broker: Broker) -> Iterator[JobStore]:
    store = JobStore.open(broker.url)
    yield store
    store.client.close()
