"""Event stream of a job (server-sent events), with reconnects that resume after the last event."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from core.errors import JobEventError
from core.jobs.events import Finished, StoredEvent, read_job_event
from duet.client.connection import Connection, not_duet, succeeded
from duet.client.errors import JobTimeoutError, NotReadyError, ResponseError, TooManyRequestsError, UnreachableError

RECONNECT_SECONDS = 1.0
_ENVELOPE_FIELDS = ("at", "attempt", "token")


@dataclass(frozen=True)
class Message:
    """One server-sent event; keep-alive comments have no id."""

    id: str | None
    data: str


def follow(
    connection: Connection, path: str, *, after: str | None = None, until: float | None = None
) -> Iterator[StoredEvent]:
    """Yield each event once until the job ends; a lost connection is resumed after the last event.

    Args:
        connection: connection to the service.
        path: path of the job's event stream.
        after: start after the event with this id.
        until: deadline on the clock of `time.monotonic`, checked at every message and keep-alive comment.

    Raises:
        JobTimeoutError: the job has not ended by the deadline.
        UnreachableError: the connection could not be restored within the retry timeout.
        TooManyRequestsError: too many streams were open during the retry timeout.
        NotReadyError: the broker was unavailable during the retry timeout.
        NotFoundError: the job does not exist or was removed.
        UnexpectedResponseError: the response is not from Duet.
    """
    alive = time.monotonic()
    while True:
        finished = False
        try:
            with connection.streamed(path, {} if after is None else {"Last-Event-ID": after}) as response:
                if response.status_code == 204:
                    return
                if succeeded(response).headers.get("content-type", "").partition(";")[0] != "text/event-stream":
                    raise not_duet(response)
                for message in messages(response.iter_bytes()):
                    alive = time.monotonic()
                    _check(until)
                    if message.id is None:
                        continue
                    after = message.id
                    event = _stored(message.id, message.data)
                    if event is not None:
                        finished = isinstance(event.event, Finished)
                        yield event
            if finished:
                return
            pause = RECONNECT_SECONDS
        except (UnreachableError, TooManyRequestsError, NotReadyError) as error:
            if time.monotonic() - alive > connection.retry_timeout:
                raise
            retry_after = error.retry_after_seconds if isinstance(error, ResponseError) else None
            pause = RECONNECT_SECONDS if retry_after is None else retry_after
        _check(until)
        time.sleep(pause)


def messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """Yield the messages of a byte stream that is split at arbitrary positions; lines end with a line feed."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n\n")
        for block in whole:
            yield _message(block.decode())


def _message(block: str) -> Message:
    fields = [line.partition(": ") for line in block.split("\n")]
    ids = [value for name, _, value in fields if name == "id"]
    return Message(ids[-1] if ids else None, "\n".join(value for name, _, value in fields if name == "data"))


def _stored(event_id: str, data: str) -> StoredEvent | None:
    """Parse an event; None if this client does not know its kind."""
    fields = json.loads(data)
    at, attempt, token = (fields.pop(name) for name in _ENVELOPE_FIELDS)
    try:
        event = read_job_event(json.dumps(fields))
    except JobEventError:
        return None
    return StoredEvent(event_id, datetime.fromisoformat(at), attempt, token, event)


def _check(until: float | None) -> None:
    if until is not None and time.monotonic() > until:
        raise JobTimeoutError("the job did not end within the timeout and is still running: wait longer or cancel it")
