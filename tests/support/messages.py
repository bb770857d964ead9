"""Messages in the job queues of the broker."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from redis import Redis

from core.jobs.parameters import JobKind
from service.jobs.store.keys import queue_key


@dataclass(frozen=True)
class Message:
    task: str
    args: list[Any]
    ignores_result: bool


def take(client: Redis, kind: JobKind) -> Message:
    """The message that a worker would get next; it is gone from the queue afterwards."""
    raw = client.rpop(queue_key(kind))
    assert isinstance(raw, str), f"no message waits in {kind}"
    return _read(raw)


def waiting(client: Redis, kind: JobKind) -> list[str]:
    """The jobs that a queue's messages name, the next one first."""
    messages: Any = client.lrange(queue_key(kind), 0, -1)
    return [_read(raw).args[0] for raw in reversed(messages)]


def _read(raw: str) -> Message:
    message = json.loads(raw)
    assert message["content-type"] == "application/json"
    args, _, _ = json.loads(base64.b64decode(message["body"]))
    return Message(message["headers"]["task"], args, message["headers"]["ignore_result"])
