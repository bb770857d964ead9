from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.jobs.store.store import JobStore
from service.webhooks.outbox import Outbox
from tests.support.receivers import Receiver, receiver


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
