"""Outbox of webhooks in the job broker: messages of one receiver that wait for their next attempt.

Messages survive restarts of all processes. Any process may add a message; an id is accepted once. The keys contain a
digest of the receiver's address, which may itself be a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, Literal

import orjson
from redis import Redis

from service.jobs.store.keys import PREFIX
from service.jobs.store.redis_client import broker_errors
from service.webhooks.events import Event

RETENTION_SECONDS = 24 * 3600.0
"""Age at which a message that could not be delivered is given up."""
MAX_MESSAGES = 1000
"""Maximum number of waiting messages per receiver; further ones are dropped."""
_RETENTION_MS = round(RETENTION_SECONDS * 1000)

Added = Literal["added", "known", "old", "full"]


@dataclass(frozen=True)
class Message:
    """A message that waits; times are in ms since the epoch, from the broker's clock but for `created`."""

    id: str
    type: str
    body: str
    created: int
    attempts: int


class Outbox:
    """Messages of one receiver. Every method raises BrokerUnavailableError if the broker is unavailable."""

    def __init__(self, client: Redis, url: str) -> None:
        """`client` decodes responses to str; `url` is the address of the receiver."""
        self.receiver = sha256(url.encode()).hexdigest()[:16]
        self._client = client
        prefix = f"{PREFIX}webhooks:{self.receiver}:"
        self._due, self._messages, self._since, self._seen = (
            prefix + name for name in ("due", "messages", "since", "seen:")
        )
        self._enqueue = client.register_script(files(__package__).joinpath("enqueue.lua").read_text(encoding="utf-8"))

    def open(self) -> None:
        """Accept events from now on, if the receiver is new; called in each round, so that the broker remembers it."""
        with broker_errors():
            self._client.set(self._since, self._now(), nx=True)
            self._client.pexpire(self._since, 2 * _RETENTION_MS)

    def add(self, event: Event) -> Added:
        """Store the message of an event, unless it was stored before, is too old, or the outbox is full."""
        created = round(event.at.timestamp() * 1000)
        stored = orjson.dumps({"type": event.type, "body": event.body.decode(), "created": created, "attempts": 0})
        with broker_errors():
            answer: Added = self._enqueue(
                keys=[self._due, self._messages, self._seen + event.id, self._since],
                args=[event.id, stored, created, _RETENTION_MS, MAX_MESSAGES],
            )
        return answer

    def next_due(self) -> Message | None:
        """The message whose attempt is most overdue, or None."""
        with broker_errors():
            found: Any = self._client.zrange(self._due, 0, self._now(), byscore=True, offset=0, num=1)
            if not found:
                return None
            stored: Any = self._client.hget(self._messages, found[0])
            if stored is None:  # another process has delivered it since
                self._client.zrem(self._due, found[0])
                return None
        return Message(id=found[0], **orjson.loads(stored))

    def remove(self, message: Message) -> None:
        """Remove a message that was delivered or is given up."""
        with broker_errors(), self._client.pipeline() as pipeline:
            pipeline.zrem(self._due, message.id)
            pipeline.hdel(self._messages, message.id)
            pipeline.execute()

    def postpone(self, message: Message, seconds: float) -> bool:
        """Count a failed attempt, and set the time of the next one.

        Returns:
            False if the message would then be older than RETENTION_SECONDS; it is removed.
        """
        with broker_errors():
            due = self._now() + round(seconds * 1000)
        if due > message.created + _RETENTION_MS:
            self.remove(message)
            return False
        fields = {
            "type": message.type, "body": message.body, "created": message.created, "attempts": message.attempts + 1
        }  # fmt: skip
        with broker_errors(), self._client.pipeline() as pipeline:
            pipeline.hset(self._messages, message.id, orjson.dumps(fields))
            pipeline.zadd(self._due, {message.id: due}, xx=True)
            pipeline.execute()
        return True

    def waiting(self) -> int:
        """Number of messages that wait."""
        with broker_errors():
            count: Any = self._client.zcard(self._due)
        return int(count)

    def _now(self) -> int:
        seconds, microseconds = self._client.time()
        return int(seconds * 1000 + microseconds // 1000)
