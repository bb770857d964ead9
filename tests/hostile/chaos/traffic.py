"""Predictions during the chaos test, one after the other, and the outcome of each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx

from tests.hostile.chaos.stack import API_KEY
from tests.support.onnx_models import gray_png

_PAUSE_SECONDS = 0.05


class Predictions:
    """Sends predictions of both families in a thread until `stop`.

    Attributes:
        outcomes: number of requests by outcome: `answered` with 200; `cut` if an API was killed while the request was
            open, or none ran; `failed` are all others.
        failures: description of each failed request.
    """

    def __init__(self, url: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self.failures: list[str] = []
        self._url = url
        self._outages: list[tuple[float, float]] = []
        self._started = time.monotonic()
        self._served: set[str] = {"cnn"}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current request."""
        self._stopping.set()
        self._thread.join()

    def add_outage(self, start: float, end: float) -> None:
        """Record that an API did not run from `start` to `end`, on the clock of `time.monotonic`."""
        self._outages.append((start, end))

    def _run(self) -> None:
        pending: list[tuple[float, float, str]] = []
        while not self._stopping.wait(_PAUSE_SECONDS):
            for family in ("cnn", "mlp"):
                started = time.monotonic()
                problem = self._problem(family)
                if problem is None:
                    self.outcomes["answered"] += 1
                elif problem:
                    pending.append((started, time.monotonic(), problem))
        # Outages are only known at the end, because a request can fail before its outage is recorded.
        for started, ended, problem in pending:
            if any(start <= ended and started <= end for start, end in self._outages):
                self.outcomes["cut"] += 1
            else:
                self.outcomes["failed"] += 1
                self.failures.append(f"{started - self._started:.1f} s: {problem}")

    def _problem(self, family: str) -> str | None:
        """Problem of one prediction: None if it was answered, empty if the family has no champion yet."""
        try:
            answer = httpx.post(
                f"{self._url}/predict?model={family}",
                content=gray_png(9),
                headers={"content-type": "image/png"},
                timeout=60,
            )
        except httpx.TransportError as error:
            return f"{family}: {type(error).__name__}: {error}"
        if answer.status_code == 200:
            self._served.add(family)
            return None
        if answer.status_code == 404 and family not in self._served:
            return ""
        return f"{family}: {answer.status_code} {answer.text}"


def call(method: str, url: str, **content: Any) -> httpx.Response | None:
    """Call the API with a key; None if no API or no broker responds.

    Raises:
        AssertionError: a server error other than 503 and 504.
    """
    headers = {"x-api-key": API_KEY, **content.pop("headers", {})}
    with suppress(httpx.TransportError):
        answer = httpx.request(method, url, headers=headers, timeout=60, **content)
        if answer.status_code < 500:
            return answer
        assert answer.status_code in (503, 504, 507), f"{method} {url}: {answer.status_code} {answer.text}"
    return None
