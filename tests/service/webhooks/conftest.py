from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.jobs.store.store import JobStore
from service.webhooks.outbox import Outbox
from tests.support.broker import Broker, running_broker
from tests.support.receivers import Receiver, receiver


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
def store(broker: Broker) -> Iterator[JobStore]:
    store = JobStore.open(broker.url)
    yield store
    store.client.close()


@pytest.fixture
def shop() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with receiver() as started:
        yield started


@pytest.fixture
def outbox(store: JobStore, shop: Receiver) -> Outbox:
    """The open outbox of the receiver `shop`."""
    outbox = Outbox(store.client, shop.url)
    outbox.open()
    return outbox
