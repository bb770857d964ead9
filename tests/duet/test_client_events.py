"""Event stream of the client: reconnects, timeouts and unexpected responses, over a scripted service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from core.jobs.events import Finished, Note
from duet import Client, JobTimeoutError, NotFoundError, TooManyRequestsError, UnexpectedResponseError, UnreachableError
from duet.client.events import messages
from service.api.examples import load_example
from tests.support.clock import Clock

PING = b": ping\n\n"
AT = "2026-01-02T03:05:11Z"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr("duet.client.events.time", stopped)
    monkeypatch.setattr("duet.client.jobs.time", stopped)
    return stopped


def told(number: int, **event: Any) -> bytes:
    data = json.dumps({**event, "at": AT, "attempt": 1, "token": 7})
    return f"data: {data}\nid: {number}-0\n\n".encode()


def note(number: int) -> bytes:
    return told(number, event="note", text=f"\u2028{number}")


FINISHED = told(9, event="finished", state="succeeded")


class Stream(httpx.SyncByteStream):
    """Pieces of a body; an exception among them is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Service:
    """Gives these answers in turn, the last one again and again; `state` is the job's."""

    def __init__(self, *answers: httpx.Response | Exception, state: str = "running") -> None:
        self._answers = answers
        self._state = state
        self.seen: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/jobs/j":
            return httpx.Response(200, json=load_example("job") | {"state": self._state})
        assert request.url.path == "/jobs/j/events"
        self.seen.append(request.headers.get("last-event-id"))
        answer = self._answers[min(len(self.seen), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, patience_seconds: float = 30) -> Client:
        return Client(transport=httpx.MockTransport(self), retry_timeout=patience_seconds)


def streams(*pieces: bytes | Exception) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Stream(*pieces))


def problem(status: int, **headers: str) -> httpx.Response:
    body = {"type": "urn:x", "title": "t", "status": status, "detail": "d", "request_id": "i"}
    return httpx.Response(status, json=body, headers=headers)


def test_events_have_id_time_attempt_and_token() -> None:
    service = Service(streams(b"retry: 2000\n\n", note(1), PING, FINISHED))
    with service.client() as client:
        first, last = client.events("j")
    assert (first.id, first.at, first.attempt, first.token) == ("1-0", datetime(2026, 1, 2, 3, 5, 11, tzinfo=UTC), 1, 7)
    assert first.event == Note(text="\u20281")
    assert last.event == Finished(state="succeeded")
    assert service.seen == [None]


def test_messages_of_split_chunks_are_complete() -> None:
    whole = note(1) + PING + note(2)
    bytewise = list(messages(whole[place : place + 1] for place in range(len(whole))))
    assert bytewise == list(messages([whole]))
    assert [message.id for message in bytewise] == ["1-0", None, "2-0"]


def test_lost_connection_resumes_after_the_last_event(clock: Clock) -> None:
    service = Service(
        streams(note(1), note(2)[:20], httpx.ReadError("lost")),
        httpx.ConnectError("refused"),
        problem(503, **{"retry-after": "5"}),
        streams(note(2)),
        streams(FINISHED),
    )
    with service.client() as client:
        assert [event.id for event in client.events("j")] == ["1-0", "2-0", "9-0"]
    assert service.seen == [None, "1-0", "1-0", "1-0", "2-0"]
    assert clock.pauses == [1.0, 1.0, 5.0, 1.0]


def test_response_204_ends_the_stream(clock: Clock) -> None:
    service = Service(streams(note(1)), httpx.Response(204))
    with service.client() as client:
        assert [event.id for event in client.events("j", after="0-1")] == ["1-0"]
    assert service.seen == ["0-1", "1-0"]


def test_stream_continues_past_a_retried_end() -> None:
    service = Service(streams(FINISHED, told(10, event="retried"), told(11, event="finished", state="succeeded")))
    with service.client() as client:
        assert [event.id for event in client.events("j")] == ["9-0", "10-0", "11-0"]


def test_unknown_kinds_and_fields_are_skipped() -> None:
    service = Service(streams(told(1, event="invented"), told(2, event="note", text="a", color="red"), FINISHED))
    with service.client() as client:
        assert [event.id for event in client.events("j")] == ["9-0"]


def test_reconnecting_ends_after_the_retry_timeout(clock: Clock) -> None:
    service = Service(streams(note(1)), httpx.ConnectError("refused"))
    with service.client(patience_seconds=10) as client:
        following = client.events("j")
        assert next(following).id == "1-0"
        with pytest.raises(UnreachableError, match="refused"):
            next(following)
    assert 10 < clock.now <= 12
    with Service(problem(429, **{"retry-after": "10"})).client() as client, pytest.raises(TooManyRequestsError):
        list(client.events("j"))


def test_events_of_an_unknown_job_raise() -> None:
    with Service(problem(404)).client() as client, pytest.raises(NotFoundError):
        list(client.events("j"))


def test_response_that_is_no_stream_raises() -> None:
    service = Service(httpx.Response(200, html="<p>It works!</p>"))
    with service.client() as client, pytest.raises(UnexpectedResponseError, match="text/html"):
        list(client.events("j"))
    assert service.seen == [None]


def test_wait_raises_after_its_timeout(clock: Clock) -> None:
    service = Service(*(streams(PING) for _ in range(30)))
    with service.client() as client, pytest.raises(JobTimeoutError, match="still running"):
        client.wait("j", timeout_seconds=20)
    assert 20 < clock.now <= 22


def test_wait_returns_a_job_that_ended_late(clock: Clock) -> None:
    def late(request: httpx.Request) -> httpx.Response:
        clock.sleep(0.1)
        return service(request)

    service = Service(streams(PING, FINISHED), state="failed")
    with Client(transport=httpx.MockTransport(late)) as client:
        assert client.wait("j", timeout_seconds=0).state == "failed"
