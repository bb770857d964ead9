"""Requests of the client: sent, sent again where that is safe, and their answers as data or as errors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from duet.client.errors import UnexpectedResponseError, UnreachableError, error_of

Answer = TypeVar("Answer", bound=BaseModel)
FIRST_PAUSE_SECONDS = 0.1
BUSY = (429, 503)
SILENCE_SECONDS = 45.0
"""Without a sign of life on a stream, on which the service gives one every 15 seconds."""


class Connection:
    """Kept-alive connections to one service, over which requests are sent with patience.

    Args:
        http: with the service's address, and the key where there is one.
        retries: how often a request is sent again after 429 or 503, at most.
        retry_timeout: from the first attempt; none begins later.
    """

    def __init__(self, http: httpx.Client, *, retries: int, retry_timeout: float) -> None:
        self.http = http
        self._retries = retries
        self.retry_timeout = retry_timeout

    def get(self, path: str, answer: type[Answer], query: Mapping[str, Any] | None = None) -> Answer:
        """What is there."""
        return parsed(self.request("GET", path, params=drop_none(query)), answer)

    def post(self, path: str, answer: type[Answer], *, repeatable: bool = True, **content: Any) -> Answer:
        """The answer to a change or a question with a body; `repeatable` as of `sent`."""
        return parsed(self.request("POST", path, repeatable=repeatable, **content), answer)

    def request(self, method: str, path: str, *, repeatable: bool = True, **content: Any) -> httpx.Response:
        """The successful answer to a request.

        Args:
            method: of HTTP.
            path: on the service.
            repeatable: whether it does no harm if the request arrives twice.
            content: as of `httpx.Client.request`; sent whole each time.

        Raises:
            UnreachableError: there is none.
            AnswerError: it is an error, and stayed one of those that pass as long as the client had patience.
        """
        until = time.monotonic() + self.retry_timeout
        response = self.sent_once(method, path, **content)
        for attempt in range(self._retries if repeatable else 0):
            if response.status_code not in BUSY:
                break
            asked = error_of(response).retry_after_seconds
            pause = FIRST_PAUSE_SECONDS * 2**attempt if asked is None else asked
            if time.monotonic() + pause > until:
                break
            time.sleep(pause)
            response = self.sent_once(method, path, **content)
        return succeeded(response)

    def sent_once(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer, whatever it is; raises UnreachableError."""
        with self._reaching():
            return self.http.request(method, path, **content)

    @contextmanager
    def streamed(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """An answer that comes in pieces, whatever it is; raises UnreachableError, also while it is read."""
        connecting = self.http.timeout.connect
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=connecting)
        with self._reaching(), self.http.stream("GET", path, headers=dict(headers), timeout=timeout) as response:
            if not response.is_success:
                response.read()
            yield response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            raise UnreachableError(f"no answer from {self.http.base_url}: {said}; is `duet serve` running?") from error


class Methods:
    """Base of the parts that the client is put together from."""

    _connection: Connection


def drop_none(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in (values or {}).items() if value is not None}


def parsed(response: httpx.Response, answer: type[Answer]) -> Answer:
    """The answer as data; raises AnswerError where it is an error, UnexpectedResponseError where it is not Duet's."""
    content = succeeded(response).content
    try:
        # Fields that came into the world after this client are none of its business, wherever they stand.
        return answer.model_validate_json(content, extra="ignore")
    except ValidationError as error:
        raise not_duet(response) from error


def not_duet(response: httpx.Response) -> UnexpectedResponseError:
    """Says that something else listens at this address."""
    kind = response.headers.get("content-type", "no type")
    return UnexpectedResponseError(
        f"{response.url} answered {response.status_code} with {kind} that is no answer of Duet's: does another program "
        "listen there, or a much older service?"
    )


def succeeded(response: httpx.Response) -> httpx.Response:
    """The answer; raises AnswerError where it is an error."""
    if not response.is_success:
        raise error_of(response)
    return response
