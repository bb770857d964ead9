from __future__ import annotations

from urllib.parse import quote

import pytest

from core.errors import BrokerUnavailableError, ConfigurationError
from service.jobs.dispatch import Dispatcher
from service.jobs.store.redis_client import celery_url, connect, connect_async
from service.jobs.store.store import JobStore
from tests.support.broker import Broker
from tests.support.jobs import submit
from tests.support.messages import waiting


@pytest.mark.parametrize(
    ("url", "theirs"),
    [
        ("redis://user:secret@host:6380/2", "redis://user:secret@host:6380/2"),
        ("rediss://host/0", "rediss://host/0"),
        ("unix:///run/a%20b/s", "redis+socket:///run/a%20b/s"),
        ("unix://user:p%40w@/run/s?db=3", "redis+socket://user:p%40w@/run/s?virtual_host=3"),
    ],
)
def test_celery_url_is_in_the_form_of_kombu(url: str, theirs: str) -> None:
    assert celery_url(url) == theirs


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


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://host", "amqp://host", "redis+socket:///run/s"])
def test_invalid_broker_url_is_an_error_with_an_example(url: str) -> None:
    for use in (connect, connect_async, celery_url):
        with pytest.raises(ConfigurationError, match="redis://127"):
            use(url)


def test_errors_do_not_show_the_password() -> None:
    store = JobStore.open("redis://:hunter2@127.0.0.1:1/0")
    with pytest.raises(BrokerUnavailableError) as caught:
        store.get("0" * 32)
    assert "hunter2" not in str(caught.value)
    store.client.close()
