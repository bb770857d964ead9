"""`duet.Client`, the synchronous Python client of the HTTP API."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx

from core.schemas.api import Liveness, Readiness
from duet.client.connection import Connection, is_direct, parsed
from duet.client.datasets import DatasetMethods
from duet.client.errors import ClientError, NotReadyError, ResponseError, UnexpectedResponseError, UnreachableError
from duet.client.jobs import JobMethods
from duet.client.labels import LabelMethods
from duet.client.models import ModelMethods
from duet.client.predictions import PredictionMethods


class Client(PredictionMethods, ModelMethods, JobMethods, DatasetMethods, LabelMethods):
    """Client of one service over keep-alive connections; use it in a `with` block or call `close`.

        with Client() as duet:
            print(duet.predict_one("rex.png").label)

    Idempotent requests are retried after a 429 or 503 response, after the delay in the response. Every method raises
    `UnreachableError` if there is no response, `UnexpectedResponseError` if another program responds, and a subclass
    of `ResponseError` if the response is an error.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_seconds: float = 30.0,
        retries: int = 3,
        retry_timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Configure the client; the first request opens a connection.

        Args:
            url: base URL of the service.
            api_key: needed to change jobs, data sets and champions; `duet key` prints a generated one.
            timeout_seconds: timeout for connecting and for each read and write.
            retries: maximum number of retries after a 429 or 503 response.
            retry_timeout: seconds after the first attempt in which a retry may start.
            transport: httpx transport to use instead of the network, for tests.

        Proxies of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY) apply, but never to this machine.

        Raises:
            ClientError: the proxy of the environment cannot be used.
        """
        headers = {"X-API-Key": api_key} if api_key is not None else {}
        if transport is None and is_direct(url):
            transport = httpx.HTTPTransport()  # without it, httpx applies the proxies of the environment
        try:
            http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, transport=transport)
        except ImportError as error:
            raise ClientError(
                "the environment names a SOCKS proxy, which needs a further package: run `pip install httpx[socks]`, "
                "or list the host of the service in NO_PROXY"
            ) from error
        except ValueError as error:
            raise ClientError(f"the proxy of the environment cannot be used: {error}") from error
        self._connection = Connection(http, retries=retries, retry_timeout=retry_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._connection.http.close()

    def readiness(self) -> Readiness:
        """Return the served version of each model; raises `NotReadyError`, without retries, if not ready."""
        return parsed(self._connection.sent_once("GET", "/readyz"), Readiness)

    def ready(self) -> bool:
        """Return whether the service responds and has loaded its champions."""
        try:
            self.readiness()
        except (NotReadyError, UnreachableError, UnexpectedResponseError):
            return False
        return True

    def live(self) -> bool:
        """Return whether the service responds."""
        try:
            parsed(self._connection.sent_once("GET", "/livez"), Liveness)
        except (ResponseError, UnreachableError, UnexpectedResponseError):
            return False
        return True

    def metrics(self) -> str:
        """Return the metrics in the Prometheus text format."""
        return self._connection.request("GET", "/metrics").text
