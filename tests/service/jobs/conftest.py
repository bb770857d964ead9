from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.jobs.dispatch import Dispatcher
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


@pytest.fixture
def dispatcher(broker: Broker) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(broker.url)
    yield dispatcher
    dispatcher.app.close()


@pytest.fixture
def mortal_dispatcher(mortal_broker: Broker) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(mortal_broker.url)
    yield dispatcher
    dispatcher.app.close()


@pytest.fixture
def mortal_store(mortal_broker: Broker) -> Iterator[JobStore]:
    store = JobStore.open(mortal_broker.url)
    yield store
    store.client.close()
