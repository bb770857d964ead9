"""Threads of webhooks in an API process: one collects events, and one for each receiver delivers messages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.errors import BrokerUnavailableError
from core.repository.repository import ModelRepository
from core.schemas.live import LiveAlarm
from service.broker.url import configured_url
from service.jobs.store.store import JobStore
from service.security.webhook_settings import parse_receivers, parse_signing_secrets
from service.settings import Settings
from service.webhooks.collector import EventCollector
from service.webhooks.delivery import IDLE_SECONDS, Delivery
from service.webhooks.outbox import Outbox
from service.webhooks.sender import Sender

CLOSE_SECONDS = 3.0
"""Time limit for the threads to end; an interrupted attempt is repeated by the next process."""
log = logging.getLogger("duet.webhooks")


@contextmanager
def sending_webhooks(
    settings: Settings,
    repository: ModelRepository,
    alarms: Callable[[], Sequence[LiveAlarm]],
    count: Callable[[str], None],
) -> Iterator[None]:
    """Collect and deliver webhooks during the context, if addresses are configured.

    Args:
        settings: settings of the service.
        repository: its audit trail has the changes of champions.
        alarms: returns all alarms of live traffic; called from a thread.
        count: called with outcomes of deliveries, from several threads.
    """
    broker = configured_url(settings)
    if settings.webhook_urls is None or settings.webhook_secret is None:
        yield
        return
    if broker is None:
        log.error("no webhook is sent, because this process has no job broker: set DUET_REDIS_URL or use `duet serve`")
        yield
        return
    urls = parse_receivers(settings.webhook_urls.get_secret_value(), private=settings.webhook_private)
    secrets = parse_signing_secrets(settings.webhook_secret.get_secret_value())
    store = JobStore.open(broker)
    outboxes = [Outbox(store.client, url) for url in urls]
    collector = EventCollector(store, outboxes, repository, settings, alarms=alarms, count=count)
    deliveries = [
        Delivery(store.client, outbox, Sender(url, secrets, private=settings.webhook_private), count)
        for url, outbox in zip(urls, outboxes, strict=True)
    ]

    def collect() -> float:
        collector.run_once()
        return IDLE_SECONDS

    stop = threading.Event()
    threads = [
        threading.Thread(target=_repeat, args=(work, stop), name="webhooks", daemon=True)
        for work in (collect, *(delivery.run_once for delivery in deliveries))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in threads):
            store.client.close()


def _repeat(work: Callable[[], float], stop: threading.Event) -> None:
    """Call `work`, which returns the seconds to wait, until `stop` is set; an error is logged and does not end it."""
    pause, away = 0.0, False
    while not stop.wait(pause):
        pause = IDLE_SECONDS
        try:
            pause, away = work(), False
        except BrokerUnavailableError as error:
            if not away:
                log.warning("webhooks are paused, the broker is unavailable: %s", error)
            away = True
        except Exception:
            log.exception("a round of webhooks failed")
