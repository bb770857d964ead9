"""Celery in a real worker: one message per free thread, and a broker outage."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from service.jobs.celery_app import make_celery
from service.jobs.dispatch import Dispatcher
from service.jobs.store.store import JobStore
from tests.support.broker import Broker, waiting
from tests.support.children import wait_until
from tests.support.jobs import submit

# Tells in Redis which jobs its threads have, each until it is told to let go.
WORKER = """
import sys, time
from contextlib import suppress
from kombu.asynchronous import Hub
from redis import Redis
from redis.exceptions import RedisError
from service.jobs.celery_app import WORKER_OPTIONS, make_celery
from service.jobs.store.keys import TASK_NAME

url, socket, concurrency, timers = sys.argv[1:]
app = make_celery(url)

@app.task(name=TASK_NAME)
def run_job(job_id):
    with Redis(unix_socket_path=socket) as client:
        client.rpush("begun", job_id)
    while True:
        with suppress(RedisError), Redis(unix_socket_path=socket) as client:
            if client.lpop("let go"):
                return
        time.sleep(0.02)

if timers == "none":
    Hub.fire_timers = lambda hub, **_: 3600

app.Worker(queues=["train"], concurrency=int(concurrency), loglevel="INFO", **WORKER_OPTIONS).start()
"""


@contextmanager
def worker(broker: Broker, *, concurrency: int, timers: str = "all") -> Iterator[subprocess.Popen[bytes]]:
    with (broker.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, broker.url, str(broker.socket), str(concurrency), timers],
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.slow
def test_worker_takes_startable_jobs_and_survives_an_outage(
    mortal_broker: Broker, mortal_store: JobStore, mortal_dispatcher: Dispatcher
) -> None:
    store, client, dispatcher = mortal_store, mortal_store.client, mortal_dispatcher
    jobs = [submit(store) for _ in range(7)]

    def begun() -> list[str]:
        return [str(job_id) for job_id in client.lrange("begun", 0, -1)]

    def ids(*numbers: int) -> list[str]:
        return [jobs[number].id for number in numbers]

    for job in jobs[:4]:
        dispatcher.send(job)
    with worker(mortal_broker, concurrency=2) as process:
        wait_until(lambda: len(begun()) == 2)
        time.sleep(0.5)  # in which a worker that fetches ahead would have taken more
        assert sorted(begun()) == sorted(ids(0, 1))
        assert waiting(client, "train") == ids(2, 3)
        assert client.hlen("duet:celery:unacked") == 0  # so nothing is delivered again, however long the jobs take

        client.rpush("let go", "one")
        wait_until(lambda: len(begun()) == 3)
        assert waiting(client, "train") == ids(3)

        mortal_broker.kill()
        time.sleep(1)
        mortal_broker.restart()
        time.sleep(4)  # the worker is back at the broker by now
        assert len(begun()) == 3  # those two go on, and take their places
        assert waiting(client, "train") == ids(3)
        client.rpush("let go", "one", "another")
        dispatcher.send(jobs[4])
        wait_until(lambda: len(begun()) == 5)
        assert sorted(begun()) == sorted(ids(0, 1, 2, 3, 4))

        for job in jobs[5:]:
            dispatcher.send(job)
        time.sleep(0.5)
        assert waiting(client, "train") == ids(5, 6)  # as many at a time as before
        assert process.poll() is None
    known = {str(key) for key in client.keys("*")}
    foreign = {key for key in known if not key.startswith("duet:")} - {"begun", "let go"}
    assert foreign == set()  # a broker may be shared with other programs


@pytest.mark.slow
def test_free_thread_takes_the_next_job_without_a_timer(
    broker: Broker, store: JobStore, dispatcher: Dispatcher
) -> None:
    """The thread requests the next message at once, not at the next of Celery's timers; none is due here."""
    jobs = [submit(store) for _ in range(3)]

    def begun(count: int) -> bool:
        return store.client.llen("begun") == count

    with worker(broker, concurrency=1, timers="none"):
        for job in jobs:
            dispatcher.send(job)
        for count in (1, 2, 3):
            wait_until(partial(begun, count))
            store.client.rpush("let go", "one")


def test_celery_accepts_json_only() -> None:
    conf = make_celery("redis://127.0.0.1:1/0").conf
    assert list(conf.accept_content) == ["json"]
    assert (conf.task_serializer, conf.result_backend, conf.task_ignore_result) == ("json", "disabled", True)
    assert json.dumps(conf.broker_transport_options)
