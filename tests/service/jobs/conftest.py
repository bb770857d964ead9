from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.jobs.dispatch import Dispatcher
from service.jobs.store.store import JobStore
from tests.support.broker import Broker


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
