"""The events of a job as they happen, over as many connections as that takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from core.errors import JobEventError
from core.jobs.events import Finished, read_job_event
from core.jobs.stored_event import StoredEvent
from duet.client.connection import Connection, not_duet, succeeded
from duet.client.errors import AnswerError, JobTimeoutError, NotReadyError, TooManyRequestsError, UnreachableError

RECONNECT_SECONDS = 1.0
_TOLD_BESIDE = ("at", "attempt", "token")


@dataclass(frozen=True)
class Message:
    """One message of a stream of server-sent events; a comment, which says that the stream lives, has no id."""

    id: str | None
    data: str


def follow(
    connection: Connection, path: str, *, after: str | None = None, until: float | None = None
) -> Iterator[StoredEvent]:
    """Each event once, until the job has ended; a connection that is lost is made again where it was.

    Args:
        connection: to the service.
        path: of the job's events.
        after: only those after the event with this id.
        until: on the clock of `time.monotonic`; looked at whenever the service gives a sign of life.

    Raises:
        JobTimeoutError: the job has not ended by then.
        UnreachableError: the connection was lost, and could not be had again while the client had patience.
        TooManyRequestsError: so many streams were open for as long.
        NotReadyError: the broker that keeps the jobs was away for as long.
        NotFoundError: there is no such job, or no longer.
        UnexpectedResponseError: what answers is no service of Duet's.
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
            asked = error.retry_after_seconds if isinstance(error, AnswerError) else None
            pause = RECONNECT_SECONDS if asked is None else asked
        _check(until)
        time.sleep(pause)


def messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """The messages in a stream, which may be cut anywhere; lines end as the service ends them, with a line feed."""
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
    """The event; None of a kind that came into the world after this client."""
    told = json.loads(data)
    at, attempt, token = (told.pop(name) for name in _TOLD_BESIDE)
    try:
        event = read_job_event(json.dumps(told))
    except JobEventError:
        return None
    return StoredEvent(event_id, datetime.fromisoformat(at), attempt, token, event)


def _check(until: float | None) -> None:
    if until is not None and time.monotonic() > until:
        raise JobTimeoutError("the job has not ended in the time that it was waited for; it goes on")
