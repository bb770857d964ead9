from __future__ import annotations

from urllib.parse import quote

import pytest
from redis.exceptions import ClusterCrossSlotError, NoPermissionError, RedisError, ResponseError

from core.errors import BrokerUnavailableError, ConfigurationError
from service.jobs.dispatch import Dispatcher
from service.jobs.store.redis_client import broker_errors, connect, connect_async
from service.jobs.store.store import JobStore
from tests.support.broker import Broker, waiting
from tests.support.jobs import submit


def test_celery_and_store_use_the_same_database(mortal_broker: Broker) -> None:
    with mortal_broker.client() as admin:
        admin.config_set("requirepass", "p@ss w/rd")
    link = mortal_broker.folder / "a b%20#?"
    link.symlink_to(mortal_broker.socket)
    url = f"unix://:{quote('p@ss w/rd', safe='')}@{quote(str(link))}?db=3"
    store, dispatcher = JobStore.open(url), Dispatcher(url)
    job = submit(store)
    assert dispatcher.send(job)
    assert store.client.connection_pool.connection_kwargs["db"] == 3
    assert waiting(store.client, "train") == [job.id]
    store.client.close()
    dispatcher.app.close()


def test_invalid_broker_url_is_an_error_with_an_example() -> None:
    for use in (connect, connect_async):
        with pytest.raises(ConfigurationError, match="redis://127"):
            use("http://host")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (NoPermissionError("this user has no permissions to run the 'evalsha' command"), "ACL SETUSER"),
        (ClusterCrossSlotError("Keys in request don't hash to the same slot"), "a single server"),
        (ResponseError("CROSSSLOT Keys in request don't hash to the same slot"), "a single server"),
        (ResponseError("MOVED 3999 127.0.0.1:6381"), "a single server"),
        (ResponseError("MISCONF Errors writing to the AOF file"), "disk"),
    ],
)
def test_broker_refusal_gives_advice(error: RedisError, advice: str) -> None:
    with pytest.raises(BrokerUnavailableError, match=advice), broker_errors():
        raise error


def test_user_without_permissions_gets_a_problem(mortal_broker: Broker) -> None:
    with mortal_broker.client() as admin:
        admin.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=["duet:*"], commands=["+get", "+time"])
    store = JobStore.open(f"unix://reader:pw@{mortal_broker.socket}")
    with pytest.raises(BrokerUnavailableError, match="ACL SETUSER"):
        submit(store)
    store.client.close()


def test_errors_do_not_show_the_password() -> None:
    store = JobStore.open("redis://:hunter2@127.0.0.1:1/0")
    with pytest.raises(BrokerUnavailableError) as caught:
        store.get("0" * 32)
    assert "hunter2" not in str(caught.value)
    store.client.close()
