"""`duet.Client`, put together from its parts."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx

from duet.client.connection import Connection
from duet.client.datasets import DatasetMethods
from duet.client.jobs import JobMethods
from duet.client.models import ModelMethods
from duet.client.predictions import PredictionMethods
from duet.client.server import ServerMethods


class Client(PredictionMethods, ModelMethods, JobMethods, DatasetMethods, ServerMethods):
    """Talks to one service over kept-alive connections; use it in a `with` block, or close it.

        with Client() as duet:
            print(duet.predict_one("rex.png").label)

    An answer of 429 or 503 is retried after the time that the service names, where a request that arrives twice does
    no harm. Every method raises `UnreachableError` where there is no answer, `UnexpectedResponseError` where another
    program answers, and a subclass of `AnswerError` where the answer is an error.
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
        """Open no connection yet.

        Args:
            url: where the service listens.
            api_key: for whatever changes something: jobs, data sets and champions; `duet key` shows a generated one.
            timeout_seconds: for connecting and for each answer.
            retries: how often a request is sent again after 429 or 503, at most.
            retry_timeout: how long after the first attempt the last one may begin.
            transport: of httpx, in place of the network's.
        """
        headers = {"X-API-Key": api_key} if api_key is not None else {}
        http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, transport=transport)
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
