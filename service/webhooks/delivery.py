"""Delivery of webhooks: attempts with exponential backoff, one process at a time for each receiver."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from redis import Redis

from service.jobs.maintenance.reaper import leader
from service.webhooks.outbox import Message, Outbox
from service.webhooks.sender import DeliveryError, Sender

DELAYS_SECONDS = (5.0, 30.0, 120.0, 600.0, 3600.0, 10_800.0, 21_600.0, 39_600.0)
"""Delays between attempts. Their sum, the age of a message at its last attempt, is 21 hours."""
JITTER = 0.1
"""Maximum relative change of a delay, so that the messages of an outage are not all sent at once."""
IDLE_SECONDS = 2.0
PAUSE_SECONDS = 5.0
"""Pause after a failed attempt, so that a receiver that is down is not sent all messages one after another."""
log = logging.getLogger("duet.webhooks")


class Delivery:
    """Delivers the messages of one receiver, in the order in which they are due.

    A message is delivered at least once: if a process dies between the response and its record, the message is sent
    again with the same id.
    """

    def __init__(self, client: Redis, outbox: Outbox, sender: Sender, count: Callable[[str], None]) -> None:
        """Create the delivery.

        Args:
            client: of the broker.
            outbox: messages of the receiver.
            sender: sends to the receiver.
            count: called with the outcome of each attempt: `delivered`, `failed` or `given_up`.
        """
        self._client = client
        self._outbox = outbox
        self._sender = sender
        self._count = count

    def run_once(self) -> float:
        """Make one attempt, if a message is due and no other process is delivering to the receiver.

        Returns:
            Seconds to wait before the next call.

        Raises:
            BrokerUnavailableError: the broker cannot be used.
        """
        with leader(self._client, f"webhooks:{self._outbox.receiver}") as ours:
            message = self._outbox.next_due() if ours else None
            if message is None:
                return IDLE_SECONDS
            began = time.monotonic()
            try:
                self._sender.send(message.id, message.body.encode())
            except DeliveryError as error:
                self._postpone(message, str(error))
                return PAUSE_SECONDS
            self._outbox.remove(message)
            self._count("delivered")
            log.info(
                "webhook %s (%s) delivered to %s in %.0f ms",
                message.id, message.type, self._sender.host, 1000 * (time.monotonic() - began),
            )  # fmt: skip
            return 0.0

    def _postpone(self, message: Message, reason: str) -> None:
        delay = delay_seconds(message.attempts)
        text = f"webhook {message.id} ({message.type}) to {self._sender.host} failed: {reason}"
        if delay is not None and self._outbox.postpone(message, delay):
            self._count("failed")
            log.warning("%s; attempt %d is in %.0f s", text, message.attempts + 2, delay)
        else:
            if delay is None:
                self._outbox.remove(message)
            self._count("given_up")
            log.error("%s; it is given up after %d attempts", text, message.attempts + 1)


def delay_seconds(attempts: int) -> float | None:
    """Delay after a failed attempt that followed `attempts` others; None after the last attempt."""
    if attempts >= len(DELAYS_SECONDS):
        return None
    return DELAYS_SECONDS[attempts] * random.uniform(1 - JITTER, 1 + JITTER)
