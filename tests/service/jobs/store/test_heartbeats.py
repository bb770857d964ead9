from datetime import UTC, datetime

import pytest

from core.errors import BrokerUnavailableError
from service.jobs.store.heartbeats import EXPIRY_SECONDS, Heartbeats, Readiness, WorkerReport
from service.jobs.store.store import JobStore
from tests.support.broker import Broker

AT = datetime(2026, 1, 2, tzinfo=UTC)


def report(name: str) -> WorkerReport:
    training = Readiness(ready=True, reason=None, since=AT)
    return WorkerReport(name=name, host="a", pid=1, queues=("train",), jobs=1, running=(), training=training)


def test_heartbeats_list_workers_until_they_sign_off(store: JobStore) -> None:
    beats = Heartbeats(store.client)
    assert beats.all() == []
    for name in ("b", "a"):
        beats.beat(report(name))
    assert beats.all() == [report("a"), report("b")]
    beats.gone("a")
    assert beats.all() == [report("b")]


def test_heartbeat_expires(store: JobStore) -> None:
    Heartbeats(store.client).beat(report("a"))
    (key,) = store.client.scan_iter("duet:worker:*")
    assert 0 < store.client.pttl(key) <= EXPIRY_SECONDS * 1000
    store.client.pexpire(key, 0)
    assert Heartbeats(store.client).all() == []


def test_report_that_cannot_be_parsed_is_skipped(store: JobStore) -> None:
    Heartbeats(store.client).beat(report("a"))
    store.client.set("duet:worker:b", '{"name": "b"}')
    assert Heartbeats(store.client).all() == [report("a")]


def test_heartbeats_without_a_broker_raise(mortal_broker: Broker) -> None:
    mortal_broker.kill()
    with pytest.raises(BrokerUnavailableError):
        Heartbeats(JobStore.open(mortal_broker.url).client).all()
