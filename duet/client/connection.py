"""HTTP connection of the client: sends requests with retries and parses responses and errors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.request import proxy_bypass

import httpx
from pydantic import BaseModel, ValidationError

from duet.client.errors import UnexpectedResponseError, UnreachableError, error_of

Answer = TypeVar("Answer", bound=BaseModel)
FIRST_PAUSE_SECONDS = 0.1
BUSY = (429, 503)
SILENCE_SECONDS = 45.0
"""Read timeout of an event stream; the service sends a comment every 15 seconds."""


class Connection:
    """Keep-alive connections to one service, with retries.

    Args:
        http: client with the base URL and the headers of every request.
        retries: maximum number of retries after a 429 or 503 response.
        retry_timeout: seconds after the first attempt in which a retry may start.
    """

    def __init__(self, http: httpx.Client, *, retries: int, retry_timeout: float) -> None:
        self.http = http
        self._retries = retries
        self.retry_timeout = retry_timeout

    def get(self, path: str, answer: type[Answer], query: Mapping[str, Any] | None = None) -> Answer:
        """Send a GET request and parse the response as `answer`."""
        return parsed(self.request("GET", path, params=drop_none(query)), answer)

    def post(self, path: str, answer: type[Answer], *, repeatable: bool = True, **content: Any) -> Answer:
        """Send a POST request and parse the response as `answer`; arguments as for `request`."""
        return parsed(self.request("POST", path, repeatable=repeatable, **content), answer)

    def request(self, method: str, path: str, *, repeatable: bool = True, **content: Any) -> httpx.Response:
        """Send a request, with retries, and return the successful response.

        Args:
            method: HTTP method.
            path: path of the route.
            repeatable: whether the request may be sent again (it is idempotent).
            content: keyword arguments of `httpx.Client.request`.

        Raises:
            UnreachableError: there is no response.
            ResponseError: the response is an error; a 429 or 503 persisted through all retries.
        """
        until = time.monotonic() + self.retry_timeout
        response = self.sent_once(method, path, **content)
        for attempt in range(self._retries if repeatable else 0):
            if response.status_code not in BUSY:
                break
            retry_after = error_of(response).retry_after_seconds
            pause = FIRST_PAUSE_SECONDS * 2**attempt if retry_after is None else retry_after
            if time.monotonic() + pause > until:
                break
            time.sleep(pause)
            response = self.sent_once(method, path, **content)
        return succeeded(response)

    def sent_once(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Send a request once and return any response; raises UnreachableError."""
        with self._reaching():
            return self.http.request(method, path, **content)

    @contextmanager
    def streamed(
        self, path: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None
    ) -> Iterator[httpx.Response]:
        """Open a streaming GET request; raises UnreachableError, also while the body is read."""
        connecting = self.http.timeout.connect
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=connecting)
        streaming = self.http.stream("GET", path, headers=dict(headers), params=query, timeout=timeout)
        with self._reaching(), streaming as response:
            if not response.is_success:
                response.read()
            yield response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"no answer from {self.http.base_url}: {reason}: check that `duet serve` is running"
            ) from error


def is_direct(url: str) -> bool:
    """Return whether no proxy applies to a URL: it is on this machine, or NO_PROXY lists its host."""
    host = httpx.URL(url).host
    try:
        address = ip_address(host)
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    else:
        local = address.is_loopback or address.is_unspecified
    return local or bool(proxy_bypass(host))


class Methods:
    """Base of the mixins of `Client`."""

    _connection: Connection


def drop_none(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the entries whose value is not None."""
    return {name: value for name, value in (values or {}).items() if value is not None}


def parsed(response: httpx.Response, answer: type[Answer]) -> Answer:
    """Parse a response; raises ResponseError if it is an error, UnexpectedResponseError if it is not Duet's."""
    content = succeeded(response).content
    try:
        # Ignore unknown fields so that old clients work with newer servers.
        return answer.model_validate_json(content, extra="ignore")
    except ValidationError as error:
        raise not_duet(response) from error


def not_duet(response: httpx.Response) -> UnexpectedResponseError:
    """Return the error for a response that is not from Duet."""
    kind = response.headers.get("content-type", "no type")
    return UnexpectedResponseError(
        f"{response.url} answered {response.status_code} with {kind}, which is not a response of Duet: check that the "
        "URL is right and that the service is up to date"
    )


def succeeded(response: httpx.Response) -> httpx.Response:
    """Return the response; raises ResponseError if it is an error."""
    if not response.is_success:
        raise error_of(response)
    return response
