"""Claims of pictures in Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.errors import BrokerUnavailableError
from service.jobs.store.redis_client import connect
from service.labels.claims import Claims
from tests.support.broker import Broker, running_broker

pytestmark = pytest.mark.slow
KEY = "a" * 32


@pytest.fixture
def broker() -> Iterator[Broker]:
    with running_broker() as broker:
        yield broker


def test_claim_belongs_to_one_until_it_is_released(broker: Broker) -> None:
    client = connect(broker.url)
    ann, bob = Claims(client), Claims(client)
    token = ann.take(KEY)
    assert token is not None
    assert bob.take(KEY) is None
    assert ann.holds(KEY, token)
    assert not bob.holds(KEY, "0" * 32)

    bob.release(KEY, "0" * 32)
    assert bob.take(KEY) is None
    ann.release(KEY, token)
    assert bob.take(KEY) is not None
    assert not ann.holds(KEY, token)
    client.close()


def test_claim_expires(broker: Broker) -> None:
    client = connect(broker.url)
    Claims(client, seconds=600).take(KEY)
    [name] = client.keys("*labelling*")
    assert 0 < int(client.ttl(name)) <= 600
    client.close()


def test_missing_broker_is_an_error(broker: Broker) -> None:
    client = connect(broker.url)
    broker.stop()
    with pytest.raises(BrokerUnavailableError):
        Claims(client).take(KEY)
    client.close()
