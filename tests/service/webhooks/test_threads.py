"""Webhooks of a running service: jobs, alarms and outages."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from service.jobs.store.store import JobStore
from service.webhooks import delivery, threads
from tests.support.broker import Broker, running_broker
from tests.support.jobs import running, submit
from tests.support.live import gray_answer, write_live_home
from tests.support.receivers import SECRET, Receiver, receiver
from tests.support.service import running_app, settings_for, until
from tests.support.traffic import captured, write_segment


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (threads, delivery):
        monkeypatch.setattr(module, "IDLE_SECONDS", 0.02)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_live_home(tmp_path)
    return tmp_path


def webhook_threads() -> int:
    return sum(thread.name == "webhooks" for thread in threading.enumerate())


def settings(home: Path, broker: Broker, url: str, **changes: Any) -> Any:
    values = {"redis_url": broker.url, "webhook_urls": url, "webhook_secret": SECRET, "webhook_private": True}
    return settings_for(home, **(values | changes))


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` is true."""

    async def holds() -> bool:
        return condition()

    await until(holds)


async def counted(client: Any) -> dict[str, float]:
    """Webhook attempts by outcome, without outcomes that have not occurred."""
    text = (await client.get("/metrics")).text
    found = re.findall(r'^duet_webhook_attempts_total\{outcome="(\w+)"\} (\S+)', text, re.MULTILINE)
    return {outcome: float(value) for outcome, value in found if float(value)}


async def test_ended_job_reaches_the_receiver(home: Path, broker: Broker, store: JobStore, shop: Receiver) -> None:
    before = webhook_threads()
    async with running_app(settings(home, broker, shop.url)) as app:
        claim = running(store)
        store.finish(claim.record.id, claim.token, "succeeded", result={"version": "cnn@2"})
        await eventually(lambda: len(shop.received) == 1)
        (received,) = shop.received
        body = Webhook(SECRET).verify(received.body, dict(received.headers))
        assert (body["type"], body["data"]["id"]) == ("job.succeeded", claim.record.id)

        async def is_counted() -> bool:
            return await counted(app.client) == {"delivered": 1.0}

        await until(is_counted)
    assert webhook_threads() == before


@pytest.mark.slow
async def test_message_outlives_receiver_and_service(home: Path, broker: Broker, store: JobStore) -> None:
    """The receiver is down until after a restart of the service."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}/hooks/duet?token=1"
    async with running_app(settings(home, broker, url)) as app:

        async def has_failed() -> bool:
            return bool((await counted(app.client)).get("failed"))

        store.request_cancel(submit(store).id)
        await until(has_failed)
    with receiver(port) as shop:
        (due,) = store.client.scan_iter("duet:webhooks:*:due")
        members: Any = store.client.zrange(due, 0, -1)
        store.client.zadd(due, dict.fromkeys(members, 1))
        async with running_app(settings(home, broker, url)):
            await eventually(lambda: shop.types() == ["job.cancelled"])


@pytest.mark.slow
async def test_alarm_of_live_traffic_reaches_all_receivers(
    home: Path, broker: Broker, store: JobStore, shop: Receiver
) -> None:
    with receiver() as other:
        urls = f"{shop.url},{other.url}"
        async with running_app(settings(home, broker, urls, capture_share=1.0)):
            await eventually(lambda: len(list(store.client.scan_iter("duet:webhooks:*:since"))) == 2)
            answer = gray_answer("white", confidence=0.6, flagged=True)
            write_segment(home, [captured(f"d{number}", answers=(answer,)) for number in range(400)])
            await eventually(lambda: "alarm.raised" in shop.types() and "alarm.raised" in other.types())
        data = next(each.json["data"] for each in shop.received)
        assert (data["model"], data["version"]) == ("cnn", 1)
        assert {each.id for each in shop.received} & {each.id for each in other.received}


async def test_private_receiver_is_refused_at_delivery(
    home: Path, broker: Broker, store: JobStore, shop: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://localhost:{shop.port}/"
    async with running_app(settings(home, broker, url, webhook_private=False)) as app:
        store.request_cancel(submit(store).id)

        async def has_failed() -> bool:
            return await counted(app.client) == {"failed": 1.0}

        await until(has_failed)
    assert shop.received == []
    assert "localhost has the private address" in caplog.text


@pytest.mark.slow
async def test_outage_of_the_broker_is_logged_once(
    home: Path, shop: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with running_broker() as broker:
        async with running_app(settings(home, broker, shop.url)):
            store = JobStore.open(broker.url)
            await eventually(lambda: bool(list(store.client.scan_iter("duet:webhooks:*:since"))))
            broker.kill()
            await eventually(lambda: caplog.text.count("webhooks are paused") == 2)
            broker.restart()
            store.request_cancel(submit(store).id)
            await eventually(lambda: shop.types() == ["job.cancelled"])
            store.client.close()
    assert caplog.text.count("webhooks are paused") == 2  # one for each thread


async def test_without_addresses_there_is_no_thread(home: Path, broker: Broker) -> None:
    async with running_app(settings_for(home, redis_url=broker.url)):
        assert webhook_threads() == 0


async def test_process_without_a_broker_says_so(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    changes = {"webhook_urls": "https://hooks.example.org/", "webhook_secret": SECRET}
    async with running_app(settings_for(home, **changes)):
        assert webhook_threads() == 0
    assert "no webhook is sent, because this process has no job broker" in caplog.text
